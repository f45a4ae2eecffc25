//! How often somebody may try to sign in.
//!
//! Three budgets, each counted before the password is looked at, so that parallel attempts can't
//! share one:
//!
//! * **account and address**: a few attempts, then waits that double. It stops who guesses, and
//!   never anybody else.
//! * **address**: a few dozen attempts at whatever accounts, then waits that double. It stops who
//!   tries one password everywhere.
//! * **account** from all addresses: a slow budget, against guessing from many addresses. An
//!   address from which the account has signed in before is exempt, so that no stranger can keep
//!   the owner out.
//!
//! A device that the user has signed in on before is a place of its own, wherever it is: its attempts
//! are counted apart from everybody else's, so that no stranger behind the same address, nor any number
//! of them elsewhere, keeps the owner out (OWASP, slowing down online guessing with device cookies).
//!
//! An IPv6 address counts as its first 64 bits, which is what one subscriber has. A user who does
//! not exist is counted like one who does. Nothing ever sleeps: who must wait is told how long.
//!
//! The budgets are kept in memory, on each node by itself; every attempt is in the audit trail.

mod budget;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use budget::{Budget, Recent, Trickle};
use parking_lot::Mutex;
use prov_core::Clock;

use crate::Username;

/// How often somebody may try to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThrottleOptions {
    /// Wrong attempts at one account from one address before the first wait.
    pub free_per_account_and_address: u32,
    /// The longest wait between two of those.
    pub longest_wait: Duration,
    /// Wrong attempts from one address, at whatever accounts, before the first wait.
    pub free_per_address: u32,
    /// The longest wait between two of those.
    pub longest_address_wait: Duration,
    /// Attempts at one account from all addresses together within an hour.
    pub hourly_per_account: NonZeroU32,
}

impl Default for ThrottleOptions {
    fn default() -> Self {
        const HOURLY: NonZeroU32 = NonZeroU32::new(100).unwrap();
        Self {
            free_per_account_and_address: 5,
            longest_wait: Duration::from_mins(15),
            free_per_address: 30,
            longest_address_wait: Duration::from_mins(1),
            hourly_per_account: HOURLY,
        }
    }
}

/// A name for an account, an address or both, that says nothing about them.
type Digest = [u8; 32];

/// Where an attempt comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// Anybody at this address.
    Address(Option<IpAddr>),
    /// A device that the user has signed in on, by the name it has in the store.
    Device(&'a str),
}

/// An attempt that was counted.
#[derive(Debug, Clone, Copy)]
#[must_use = "an attempt that succeeded must be given back"]
pub(crate) struct Attempt {
    pair: Digest,
    address: Digest,
    account: Digest,
}

/// Why an attempt may not be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The caller's own doing.
    Caller(Duration),
    /// Others are trying this account; an address that is known to it is exempt.
    Account(Duration),
}

/// The budgets.
#[derive(Debug)]
pub(crate) struct Throttle {
    clock: Arc<dyn Clock>,
    options: ThrottleOptions,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pairs: Recent<Budget>,
    addresses: Recent<Budget>,
    accounts: Recent<Trickle>,
    known: Recent<()>,
}

/// What is counted of one attempt's names so far; nothing of a name that is new.
#[derive(Debug, Clone, Copy)]
struct Counted {
    pair: Option<Budget>,
    address: Option<Budget>,
    account: Option<Trickle>,
}

impl Counted {
    fn wait(&self, now: Duration, options: &ThrottleOptions, known: bool) -> Option<Wait> {
        let own = [self.pair, self.address].into_iter().flatten();
        let own = own.filter_map(|budget| budget.wait(now)).max().map(Wait::Caller);
        let others = || self.account?.wait(now, options.hourly_per_account).map(Wait::Account);
        own.or_else(|| if known { None } else { others() })
    }

    fn and_one_more(self, now: Duration, options: &ThrottleOptions) -> Self {
        let mut pair = self.pair.unwrap_or_default();
        let mut address = self.address.unwrap_or_default();
        let mut account = self.account.unwrap_or_default();
        pair.count(now, options.free_per_account_and_address, options.longest_wait);
        address.count(now, options.free_per_address, options.longest_address_wait);
        account.count(now, options.hourly_per_account);
        Self { pair: Some(pair), address: Some(address), account: Some(account) }
    }
}

impl State {
    /// Nothing is kept of a name of which nothing was counted: a refused attempt costs whoever makes
    /// it nothing, so it must not push out what is kept of others.
    fn put_back(&mut self, attempt: &Attempt, counted: Counted) {
        if let Some(pair) = counted.pair {
            self.pairs.put(attempt.pair, pair);
        }
        if let Some(address) = counted.address {
            self.addresses.put(attempt.address, address);
        }
        if let Some(account) = counted.account {
            self.accounts.put(attempt.account, account);
        }
    }
}

impl Throttle {
    pub(crate) fn new(clock: Arc<dyn Clock>, options: ThrottleOptions) -> Self {
        Self { clock, options, state: Mutex::default() }
    }

    /// Counts an attempt, or says how long to wait. `known`: the account has signed in from this
    /// place before, as far as the caller knows.
    pub(crate) fn begin(
        &self,
        username: &Username,
        place: Place<'_>,
        known: bool,
    ) -> Result<Attempt, Wait> {
        let known = known || matches!(place, Place::Device(_));
        let attempt = Attempt::of(username, place);
        let now = self.clock.monotonic();
        let options = &self.options;
        let mut state = self.state.lock();
        let known = known || state.known.take(&attempt.pair).is_some();
        if known {
            state.known.put(attempt.pair, ());
        }
        let found = Counted {
            pair: state.pairs.take(&attempt.pair),
            address: state.addresses.take(&attempt.address),
            account: state.accounts.take(&attempt.account),
        };
        let wait = found.wait(now, options, known);
        let after = if wait.is_none() { found.and_one_more(now, options) } else { found };
        state.put_back(&attempt, after);
        wait.map_or(Ok(attempt), Err)
    }

    /// How many attempts there were in vain, at least, when the next one like this would have to wait for
    /// the account's sake.
    pub(crate) fn slowed(&self, attempt: &Attempt) -> Option<u32> {
        let now = self.clock.monotonic();
        let (free, hourly) =
            (self.options.free_per_account_and_address, self.options.hourly_per_account);
        let state = self.state.lock();
        let pair = state.pairs.get(&attempt.pair).map(Budget::failures);
        let account = state.accounts.get(&attempt.account);
        let everywhere = account.and_then(|all| all.wait(now, hourly)).map(|_| hourly.get());
        pair.filter(|failures| *failures >= free).max(everywhere)
    }

    /// The attempt was right: the caller's budget at this account is whole again, what it took
    /// from the others is given back, and the address is known from now on.
    pub(crate) fn succeeded(&self, attempt: &Attempt) {
        let mut state = self.state.lock();
        state.pairs.take(&attempt.pair);
        state.known.put(attempt.pair, ());
        give_back_shared(&mut state, attempt, self.options.hourly_per_account);
    }

    /// The attempt could not be judged: it does not count.
    pub(crate) fn forgive(&self, attempt: &Attempt) {
        let mut state = self.state.lock();
        if let Some(mut pair) = state.pairs.take(&attempt.pair) {
            pair.give_back();
            state.pairs.put(attempt.pair, pair);
        }
        give_back_shared(&mut state, attempt, self.options.hourly_per_account);
    }
}

fn give_back_shared(state: &mut State, attempt: &Attempt, hourly: NonZeroU32) {
    if let Some(mut address) = state.addresses.take(&attempt.address) {
        address.give_back();
        state.addresses.put(attempt.address, address);
    }
    if let Some(mut account) = state.accounts.take(&attempt.account) {
        account.give_back(hourly);
        state.accounts.put(attempt.account, account);
    }
}

impl Attempt {
    fn of(username: &Username, place: Place<'_>) -> Self {
        let address = match place {
            Place::Address(client) => {
                client.map_or_else(String::new, |ip| subscriber(ip).to_string())
            }
            Place::Device(digest) => format!("device {digest}"),
        };
        let name = |what: &str, parts: [&str; 2]| {
            let text = format!("{what}\0{}\0{}", parts[0], parts[1]);
            let mut out = [0; 32];
            out.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
            out
        };
        Self {
            pair: name("pair", [username.as_str(), &address]),
            address: name("address", ["", &address]),
            account: name("account", [username.as_str(), ""]),
        }
    }
}

/// The part of an address that one subscriber has: all of an IPv4 address, the first 64 bits of an
/// IPv6 address.
pub(crate) fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & (u128::MAX << 64)).into()),
    }
}

#[cfg(test)]
mod tests;
