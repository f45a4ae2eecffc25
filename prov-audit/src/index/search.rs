//! Looking for events, stretch by stretch, the newest first.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rusqlite::{CachedStatement, Connection};

use super::filling::{PAGE, PERSON, each_person};
use super::places::Places;
use super::postings::{At, Entries, sorted};
use super::schema::{Position, open_to_read};
use super::stretch::Stretch;
use super::summary::{People, Summary, Times};
use super::{ToRead, counts, events, owners, sums};

/// Of a term that more people have in a span than this, what the span has of everybody is read instead of what it
/// has of each of them: so many lookups cost about as much.
pub(super) const MANY: usize = 32;

/// What must be true of an event.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// All of these; of everything when there are none.
    All(Vec<Self>),
    /// One of these at least.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// Every action below this prefix.
    ActionBelow(String),
    /// It has one of these terms.
    Has {
        /// Terms from the public part.
        public: Vec<i64>,
        /// Terms from the personal part.
        personal: Vec<i64>,
    },
    /// It happened then: microseconds, both inclusive.
    Between(i64, i64),
}

impl Condition {
    /// It has this term in its public part.
    pub(crate) fn public(term: i64) -> Self {
        Self::Has { public: vec![term], personal: Vec::new() }
    }

    /// What is never true.
    pub(crate) fn never() -> Self {
        Self::Any(Vec::new())
    }
}

/// Where an event lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) seq: u64,
    pub(crate) time: i64,
    pub(crate) segment: u64,
    pub(crate) place: u64,
}

/// What a search came to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The newest first.
    pub(crate) hits: Vec<Hit>,
    /// Where it stopped for want of time: nothing below was looked at. With the time of the event
    /// there.
    pub(crate) stopped: Option<(u64, i64)>,
}

/// One open index, to be read.
pub(crate) struct Searching<'a> {
    db: Connection,
    size: u64,
    /// The oldest record that was not pruned.
    oldest: u64,
    term_of: &'a dyn Fn(&str) -> i64,
    deadline: Instant,
    /// When the events of every stretch were, the newest first; looked at once, if at all.
    times: OnceCell<Vec<(Stretch, Times)>>,
    /// The page of events that was looked at last.
    events: RefCell<(i64, Vec<Hit>)>,
    /// Stretches in which nobody is missing.
    checked: RefCell<BTreeSet<Stretch>>,
}

impl<'a> Searching<'a> {
    /// Opens the index, for at most this long.
    pub(crate) fn open(
        index: ToRead<'_>,
        longest: Duration,
        term_of: &'a dyn Fn(&str) -> i64,
    ) -> rusqlite::Result<Self> {
        let (db, Position { size, oldest, .. }) = open_to_read(index)?;
        let deadline = Instant::now() + longest;
        let (times, events) = (OnceCell::new(), RefCell::new((-1, Vec::new())));
        let checked = RefCell::default();
        Ok(Self { db, size, oldest, term_of, deadline, times, events, checked })
    }

    /// The newest events before `before` that meet the condition.
    pub(crate) fn search(
        &self,
        condition: &Condition,
        before: u64,
        limit: usize,
    ) -> rusqlite::Result<Found> {
        let mut found = Found::default();
        let stopped = self.each_stretch(condition, before, &mut |stretch, places| {
            for place in places.descending() {
                if found.hits.len() >= limit {
                    return Ok(false);
                }
                found.hits.extend(self.event(stretch.first() + place)?);
            }
            Ok(found.hits.len() < limit)
        })?;
        if let Some(seq) = stopped {
            found.stopped = Some((seq, self.event(seq)?.map_or(i64::MIN, |hit| hit.time)));
        }
        Ok(found)
    }

    /// How many events meet each of these conditions together with `all`; and how far it got, when
    /// time ran out.
    pub(crate) fn count(
        &self,
        all: &Condition,
        each: &[Condition],
    ) -> rusqlite::Result<(Vec<u64>, Option<u64>)> {
        let mut counts = vec![0; each.len()];
        let each: Vec<Condition> =
            each.iter().map(|c| self.prepared(c)).collect::<Result<_, _>>()?;
        let stopped = self.each_stretch(all, u64::MAX, &mut |stretch, places| {
            for (count, condition) in counts.iter_mut().zip(&each) {
                let mut both = self.places(condition, stretch)?;
                both.and(places);
                *count += both.count();
            }
            Ok(true)
        })?;
        Ok((counts, stopped))
    }

    /// Shows every stretch in which the condition is met somewhere, until told to stop. Gives where it
    /// stopped when time ran out. One stretch is looked at however little time there is: who goes on where
    /// it stopped gets to the end.
    fn each_stretch(
        &self,
        condition: &Condition,
        before: u64,
        each: &mut dyn FnMut(Stretch, &Places) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<Option<u64>> {
        let condition = self.prepared(condition)?;
        let end = before.min(self.size);
        let mut next = end.checked_sub(1).map(|last| Stretch::of(last, self.size));
        let newest = next;
        while let Some(from) = next.filter(|from| from.end().min(end) > self.oldest) {
            if next != newest && self.is_late() {
                return Ok(Some(end.min(from.end())));
            }
            let Some(stretch) = self.candidate(&condition, from)? else { return Ok(None) };
            let mut places = self.places(&condition, stretch)?;
            let at = |seq: u64| seq.saturating_sub(stretch.first()).min(stretch.records());
            places.and(&Places::between(stretch.records(), at(self.oldest), at(end)));
            if !places.is_empty() && !each(stretch, &places)? {
                return Ok(None);
            }
            next = stretch.before();
        }
        Ok(None)
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// The condition with every action below a prefix by its own name.
    fn prepared(&self, condition: &Condition) -> rusqlite::Result<Condition> {
        let all = |all: &[Condition]| {
            all.iter().map(|one| self.prepared(one)).collect::<rusqlite::Result<Vec<_>>>()
        };
        Ok(match condition {
            Condition::All(some) => Condition::All(all(some)?),
            Condition::Any(some) => Condition::Any(all(some)?),
            Condition::Not(one) => Condition::Not(Box::new(self.prepared(one)?)),
            Condition::ActionBelow(prefix) => {
                let public = self.actions_below(prefix)?;
                Condition::Has { public, personal: Vec::new() }
            }
            other => other.clone(),
        })
    }

    fn actions_below(&self, prefix: &str) -> rusqlite::Result<Vec<i64>> {
        let mut below: Vec<String> =
            counts::load(&self.db)?.into_iter().map(|(action, ..)| action).collect();
        below.retain(|action| action.starts_with(prefix));
        below.dedup();
        Ok(below.iter().map(|action| (self.term_of)(action)).collect())
    }

    /// The newest stretch up to `from` in which the condition may be met; `from` itself when there is no time to find
    /// that out, as when a name was that of tens of thousands.
    fn candidate(&self, condition: &Condition, from: Stretch) -> rusqlite::Result<Option<Stretch>> {
        match condition {
            Condition::Has { public, personal } => {
                let mut newest = None;
                for term in public {
                    if self.is_late() {
                        return Ok(Some(from));
                    }
                    newest = newest.max(self.newest(sorted(*term), from, newest)?);
                }
                for term in personal {
                    if self.is_late() {
                        return Ok(Some(from));
                    }
                    newest = newest.max(self.newest_owned(*term, from, newest)?);
                }
                Ok(newest)
            }
            Condition::All(all) => {
                let mut stretch = from;
                loop {
                    let start = stretch;
                    for one in all {
                        let Some(next) = self.candidate(one, stretch)? else { return Ok(None) };
                        stretch = next;
                    }
                    if stretch == start {
                        return Ok(Some(stretch));
                    }
                }
            }
            Condition::Any(any) => {
                let mut newest = None;
                for one in any {
                    newest = newest.max(self.candidate(one, from)?);
                }
                Ok(newest)
            }
            Condition::Between(first, last) => {
                let mut all = self.times()?.iter().filter(|(stretch, _)| *stretch <= from);
                let found = all.find(|(_, times)| times.0 <= *last && times.1 >= *first);
                Ok(found.map(|(stretch, _)| *stretch))
            }
            Condition::Not(_) | Condition::ActionBelow(_) => Ok(Some(from)),
        }
    }

    /// The newest stretch up to `from`, and not before `least`, that has this term in public.
    fn newest(
        &self,
        term: u64,
        from: Stretch,
        least: Option<Stretch>,
    ) -> rusqlite::Result<Option<Stretch>> {
        let mut one = self.db.prepare_cached(PAGE)?;
        for stretch in self.down(from, least) {
            if find_in_page(&mut one, stretch, term, &mut |_| {})? {
                return Ok(Some(stretch));
            }
        }
        Ok(None)
    }

    /// The newest stretch up to `from`, and not before `least`, in whose span somebody has this term.
    fn newest_owned(
        &self,
        term: i64,
        from: Stretch,
        least: Option<Stretch>,
    ) -> rusqlite::Result<Option<Stretch>> {
        let mut known = None;
        for stretch in self.down(from, least) {
            let (group, bit) = stretch.group();
            let spans = match known {
                Some((of, spans)) if of == group => spans,
                _ => {
                    let mut spans = 0;
                    // Of a span that somebody has it in, no more has to be known.
                    owners::each(&self.db, stretch, term, &mut |owner| {
                        spans |= owner.spans;
                        spans & bit == 0
                    })?;
                    known = Some((group, spans));
                    spans
                }
            };
            if spans & bit != 0 {
                return Ok(Some(stretch));
            }
        }
        Ok(None)
    }

    /// Every stretch down from `from` to `least`.
    fn down(&self, from: Stretch, least: Option<Stretch>) -> impl Iterator<Item = Stretch> + use<> {
        let oldest = self.oldest;
        std::iter::successors(Some(from), |stretch| stretch.before()).take_while(move |stretch| {
            stretch.end() > oldest && least.is_none_or(|l| l <= *stretch)
        })
    }

    /// Where in a stretch the condition is met.
    fn places(&self, condition: &Condition, stretch: Stretch) -> rusqlite::Result<Places> {
        let mut places = Places::none(stretch.records());
        match condition {
            Condition::All(all) => {
                places.invert();
                for one in all {
                    if places.is_empty() {
                        break;
                    }
                    places.and(&self.places(one, stretch)?);
                }
            }
            Condition::Any(any) => {
                for one in any {
                    places.or(&self.places(one, stretch)?);
                }
            }
            Condition::Not(one) => {
                places = self.places(one, stretch)?;
                places.invert();
            }
            Condition::Has { public, personal } => {
                let mut page = self.db.prepare_cached(PAGE)?;
                for term in public {
                    let add = &mut |found: &[u8]| places.add_bytes(found);
                    find_in_page(&mut page, stretch, sorted(*term), add)?;
                }
                for term in personal {
                    self.add_personal(&mut places, stretch, *term)?;
                }
            }
            Condition::Between(first, last) => places = self.between(stretch, *first, *last)?,
            Condition::ActionBelow(_) => {}
        }
        Ok(places)
    }

    /// Adds where in a stretch this term stems from somebody's personal part.
    fn add_personal(
        &self,
        places: &mut Places,
        stretch: Stretch,
        term: i64,
    ) -> rusqlite::Result<()> {
        let (_, bit) = stretch.group();
        let mut owners = Vec::new();
        owners::each(&self.db, stretch, term, &mut |owner| {
            owners.extend((owner.spans & bit != 0).then(|| owner.pid()));
            owners.len() <= MANY
        })?;
        let term = sorted(term);
        let add = &mut |entries: Entries<'_>| {
            if let Some(found) = entries.find(term) {
                places.add_bytes(found);
            }
        };
        if owners.len() > MANY {
            return each_person(&self.db, stretch, &mut |_, entries| add(entries));
        }
        let mut one = self.db.prepare_cached(PERSON)?;
        for pid in owners {
            let mut rows = one.query((stretch.number(), pid))?;
            match rows.next()? {
                Some(row) => {
                    add(Entries::of(At::Person(stretch, pid), row.get_ref(0)?.as_blob()?)?);
                }
                None if stretch.is_span() => return Err(sums::damaged("personal")),
                // It may be in another block of the span, unless somebody is missing in this one.
                None => self.check_people(stretch)?,
            }
        }
        Ok(())
    }

    /// Looks, once, whether everybody is there of whom a stretch has something.
    fn check_people(&self, stretch: Stretch) -> rusqlite::Result<()> {
        let mut checked = self.checked.borrow_mut();
        if checked.contains(&stretch) {
            return Ok(());
        }
        let mut all = self.db.prepare_cached("SELECT pid FROM personal WHERE stretch = ?1")?;
        let mut people = People::default();
        for pid in all.query_map([stretch.number()], |row| row.get(0))? {
            people.add(pid?);
        }
        people.check(stretch, &self.db)?;
        checked.insert(stretch);
        Ok(())
    }

    fn between(&self, stretch: Stretch, first: i64, last: i64) -> rusqlite::Result<Places> {
        let (from, to) = Summary::load(&self.db, stretch)?.times;
        let mut places = Places::none(stretch.records());
        if to < first || from > last {
            return Ok(places);
        }
        if from >= first && to <= last {
            places.invert();
            return Ok(places);
        }
        let start = stretch.first().max(self.oldest);
        let end = stretch.end().min(self.size);
        for page in events::page_of(start)..=events::page_of(end.saturating_sub(1)) {
            let events = events::load(&self.db, page)?;
            let then = events.iter().filter(|event| (first..=last).contains(&event.time));
            then.for_each(|event| places.add(u64::from(stretch.place(event.seq))));
        }
        Ok(places)
    }

    /// When the events of every stretch were, the newest first.
    fn times(&self) -> rusqlite::Result<&[(Stretch, Times)]> {
        if let Some(known) = self.times.get() {
            return Ok(known);
        }
        let all = Stretch::all(self.oldest, self.size);
        let all = all.map(|stretch| Ok((stretch, Summary::load(&self.db, stretch)?.times)));
        let all = all.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(self.times.get_or_init(|| all))
    }

    fn event(&self, seq: u64) -> rusqlite::Result<Option<Hit>> {
        let mut known = self.events.borrow_mut();
        let page = events::page_of(seq);
        if known.0 != page {
            *known = (page, events::load(&self.db, page)?);
        }
        Ok(known.1.iter().find(|event| event.seq == seq).copied())
    }
}

/// Shows where in a stretch a term is, and says whether it is anywhere. Every page of a stretch is there.
pub(super) fn find_in_page(
    page: &mut CachedStatement<'_>,
    stretch: Stretch,
    term: u64,
    each: &mut dyn FnMut(&[u8]),
) -> rusqlite::Result<bool> {
    let number = stretch.page_of(term);
    let mut rows = page.query([number])?;
    let row = rows.next()?.ok_or_else(|| sums::damaged("posting"))?;
    let entries = Entries::of(At::Page(stretch, number), row.get_ref(0)?.as_blob()?)?;
    let found = entries.find(term);
    found.into_iter().for_each(each);
    Ok(found.is_some())
}

/// How many events by action and outcome.
pub(crate) fn tally(index: ToRead<'_>) -> rusqlite::Result<Vec<(String, String, u64)>> {
    counts::load(&open_to_read(index)?.0)
}
