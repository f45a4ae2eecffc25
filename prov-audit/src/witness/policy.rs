//! Whose word is asked for: C2SP tlog-policy.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use jiff::Timestamp;
use prov_core::{Error, Result, codes as core_codes};
use serde::{Deserialize, Serialize};

use crate::codes;
use crate::note::{Checkpoint, CosignerKey, VerifierKey, cosigned_at, split};

/// No policy is longer.
const LONGEST: usize = 256 << 10;

/// Which witnesses must have cosigned a checkpoint, in the words of C2SP tlog-policy: `m` of `n`, and
/// groups of groups.
///
/// ```
/// # fn main() -> prov_core::Result<()> {
/// use prov_audit::WitnessPolicy;
/// let policy: WitnessPolicy = "\
///     witness one w.example/one+f1286719+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea https://one.example\n\
///     witness two w.example/two+32ccebdd+BD1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM https://two.example\n\
///     group enough 1 one two\n\
///     quorum enough\n".parse()?;
/// assert_eq!(policy.witnesses().len(), 2);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessPolicy {
    logs: Vec<VerifierKey>,
    ml_dsa_44_logs: Vec<CosignerKey>,
    witnesses: Vec<PolicyWitness>,
    quorum: Rule,
}

/// A witness that a policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyWitness {
    /// What the policy calls it.
    pub name: String,
    /// Its key.
    pub key: CosignerKey,
    /// Where it takes checkpoints (its submission prefix), if that is said.
    pub url: Option<String>,
}

/// A witness that has cosigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditCosigned))]
#[non_exhaustive]
pub struct Cosigned {
    /// What the policy calls it.
    pub witness: String,
    /// When it did, by its own clock, in whole seconds.
    #[cfg_attr(feature = "axum", schema(value_type = String, format = "date-time"))]
    pub time: Timestamp,
}

/// When it is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Nobody,
    Witness(usize),
    Group(usize, Vec<Self>),
}

impl Rule {
    fn is_met(&self, cosigned: &HashSet<usize>) -> bool {
        match self {
            Self::Nobody => true,
            Self::Witness(at) => cosigned.contains(at),
            Self::Group(needed, members) => {
                members.iter().filter(|member| member.is_met(cosigned)).count() >= *needed
            }
        }
    }
}

impl WitnessPolicy {
    /// The logs that the policy knows by a key for Ed25519; none, when they are known from elsewhere.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The logs that it knows by a key for ML-DSA-44, which cosign their own checkpoints (C2SP
    /// tlog-checkpoint).
    #[must_use]
    pub fn ml_dsa_44_logs(&self) -> &[CosignerKey] {
        &self.ml_dsa_44_logs
    }

    /// The keys for ML-DSA-44 of which one must have signed what the log of this name says. None where the
    /// policy names a key of it for Ed25519 as well: by C2SP tlog-policy either is enough then.
    #[must_use]
    pub fn wanted_ml_dsa_44(&self, log: &str) -> Vec<&CosignerKey> {
        if self.logs.iter().any(|key| key.name() == log) {
            return Vec::new();
        }
        self.ml_dsa_44_logs.iter().filter(|key| key.name() == log).collect()
    }

    /// The witnesses it names.
    #[must_use]
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether anybody must have cosigned.
    pub(crate) fn wants_witnesses(&self) -> bool {
        !self.quorum.is_met(&HashSet::new())
    }

    /// Checks that enough of the witnesses have cosigned this checkpoint, and says which did; and that the log
    /// itself signed it with ML-DSA-44, where the policy names it by such a key alone.
    ///
    /// # Errors
    /// [`codes::NOT_WITNESSED`] when they are not enough, or the log did not; [`core_codes::INVALID_REQUEST`]
    /// when a signature is not of the witness, or of the log, that it says.
    pub fn check(&self, checkpoint: &Checkpoint) -> Result<Vec<Cosigned>> {
        self.check_log(checkpoint)?;
        let (cosigned, is_met) = self.cosigned(checkpoint)?;
        if is_met {
            return Ok(cosigned);
        }
        let who: Vec<&str> = cosigned.iter().map(|one| one.witness.as_str()).collect();
        let who = if who.is_empty() { "nobody".to_owned() } else { who.join(", ") };
        let what =
            format!("the checkpoint is cosigned by {who}, which is not what the policy wants");
        Err(Error::new(codes::NOT_WITNESSED).detail(what))
    }

    fn check_log(&self, checkpoint: &Checkpoint) -> Result<()> {
        let refuse = |what: &str| Error::new(core_codes::INVALID_REQUEST).detail(what.to_owned());
        let (text, lines) = split(&checkpoint.note).ok_or_else(|| refuse("not a signed note"))?;
        let mut is_signed = false;
        for key in self.ml_dsa_44_logs.iter().filter(|key| key.name() == checkpoint.origin) {
            let time = cosigned_at(key, checkpoint, text, &lines).map_err(|()| {
                refuse("a signature is not of the log's key for ML-DSA-44 as it says")
            })?;
            is_signed |= time.is_some();
        }
        if is_signed || self.wanted_ml_dsa_44(&checkpoint.origin).is_empty() {
            return Ok(());
        }
        let what =
            "the checkpoint is not signed with the log's key for ML-DSA-44, which the policy names";
        Err(Error::new(codes::NOT_WITNESSED).detail(what))
    }

    /// Which of the witnesses have cosigned, and whether that is enough.
    pub(crate) fn cosigned(&self, checkpoint: &Checkpoint) -> Result<(Vec<Cosigned>, bool)> {
        let refuse = |what: String| Error::new(core_codes::INVALID_REQUEST).detail(what);
        let (text, lines) =
            split(&checkpoint.note).ok_or_else(|| refuse("not a signed note".to_owned()))?;
        let (mut cosigned, mut who) = (Vec::new(), HashSet::new());
        for (at, witness) in self.witnesses.iter().enumerate() {
            let time = cosigned_at(&witness.key, checkpoint, text, &lines).map_err(|()| {
                refuse(format!("a signature is not of the witness `{}` as it says", witness.name))
            })?;
            if let Some(time) = time {
                cosigned.push(Cosigned { witness: witness.name.clone(), time });
                who.insert(at);
            }
        }
        let is_met = self.quorum.is_met(&who);
        Ok((cosigned, is_met))
    }
}

impl FromStr for WitnessPolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut reading = Reading::default();
        if text.len() > LONGEST {
            return Err(refuse(0, "it is too long for a policy"));
        }
        for (number, line) in (1..).zip(text.split('\n')) {
            reading.line(line).map_err(|what| refuse(number, &what))?;
        }
        let quorum = reading.quorum.take().ok_or_else(|| refuse(0, "there is no `quorum` line"))?;
        let Reading { logs, ml_dsa_44_logs, witnesses, .. } = reading;
        Ok(Self { logs, ml_dsa_44_logs, witnesses, quorum })
    }
}

fn refuse(line: usize, what: &str) -> Error {
    let at = if line == 0 { String::new() } else { format!(", line {line}") };
    Error::new(codes::BAD_WITNESS_POLICY).detail(format!("the witness policy{at}: {what}"))
}

/// A policy on its way.
#[derive(Default)]
struct Reading {
    logs: Vec<VerifierKey>,
    ml_dsa_44_logs: Vec<CosignerKey>,
    witnesses: Vec<PolicyWitness>,
    /// What was defined, and whether it is a member of a group: each counts in one way only.
    names: HashMap<String, (Rule, bool)>,
    quorum: Option<Rule>,
}

type Read<T = ()> = Result<T, String>;

impl Reading {
    fn line(&mut self, line: &str) -> Read {
        if line.bytes().any(|b| (b < 0x20 && b != b'\t') || b == 0x7f) {
            return Err("a control character".to_owned());
        }
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key] | ["log", key, _] => self.log(key),
            ["witness", name, key] => self.witness(name, key, None),
            ["witness", name, key, url] => self.witness(name, key, Some(url)),
            ["group", name, needed, members @ ..] => self.group(name, needed, members),
            ["quorum", name] => self.quorum(name),
            _ => {
                Err("not `log`, `witness`, `group` or `quorum` with what belongs to it".to_owned())
            }
        }
    }

    fn log(&mut self, key: &str) -> Read {
        let again = || Err("this log's key was named before".to_owned());
        let second = key.parse::<CosignerKey>().ok().filter(CosignerKey::is_ml_dsa_44);
        if let Some(second) = second {
            if self.ml_dsa_44_logs.iter().any(|known| known.public() == second.public()) {
                return again();
            }
            self.ml_dsa_44_logs.push(second);
            return Ok(());
        }
        let key: VerifierKey = key.parse().map_err(|e: Error| e.public_detail().to_owned())?;
        if self.logs.iter().any(|known| known.public() == key.public()) {
            return again();
        }
        self.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Read {
        let key: CosignerKey = key.parse().map_err(|e: Error| e.public_detail().to_owned())?;
        if self.witnesses.iter().any(|known| known.key.public() == key.public()) {
            return Err("this witness's key was named before".to_owned());
        }
        self.define(name, Rule::Witness(self.witnesses.len()))?;
        let url = url.map(str::to_owned);
        self.witnesses.push(PolicyWitness { name: name.to_owned(), key, url });
        Ok(())
    }

    fn group(&mut self, name: &str, needed: &str, members: &[&str]) -> Read {
        let of = members.len();
        let needed = match needed {
            "all" => of,
            "any" => 1,
            number => number
                .parse()
                .ok()
                .filter(|n: &usize| n.to_string() == number)
                .ok_or("how many is `all`, `any` or a number")?,
        };
        if needed < 1 || needed > of {
            return Err(format!("{needed} of {of} is not possible"));
        }
        let members = members.iter().map(|member| self.take(member)).collect::<Read<_>>()?;
        self.define(name, Rule::Group(needed, members))
    }

    fn quorum(&mut self, name: &str) -> Read {
        if self.quorum.is_some() {
            return Err("a second `quorum`".to_owned());
        }
        let rule = match name {
            "none" => Rule::Nobody,
            name => self.defined(name)?.0.clone(),
        };
        self.quorum = Some(rule);
        Ok(())
    }

    fn define(&mut self, name: &str, rule: Rule) -> Read {
        if name == "none" || self.names.contains_key(name) {
            return Err(format!("the name `{name}` is taken"));
        }
        self.names.insert(name.to_owned(), (rule, false));
        Ok(())
    }

    /// What a name stands for, as a member of one group.
    fn take(&mut self, name: &str) -> Read<Rule> {
        let (rule, is_member) = self.defined(name)?;
        if std::mem::replace(is_member, true) {
            return Err(format!("`{name}` is a member already"));
        }
        Ok(rule.clone())
    }

    fn defined(&mut self, name: &str) -> Read<&mut (Rule, bool)> {
        self.names.get_mut(name).ok_or_else(|| format!("`{name}` is not defined above"))
    }
}

#[cfg(test)]
mod tests;
