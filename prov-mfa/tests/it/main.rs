//! Second factors end to end: one user, several nodes, and somebody who guesses.

#[cfg(test)]
mod attestation;
#[cfg(test)]
mod authenticator;
#[cfg(test)]
mod backup_codes;
#[cfg(test)]
mod complaints;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod http_api;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod oathtool;
#[cfg(test)]
mod passkeys;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod races;
#[cfg(test)]
mod removal;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod world;
