//! The benches run and say what they should. No figure is asserted: that is what the tables are for.

#[cfg(test)]
mod authz;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod footprint;
