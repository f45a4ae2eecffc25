//! Random histories of a family: clients that race, answers that get lost, a thief.
//!
//! What must hold: a client that retries within the grace is never signed out; a token replayed after
//! the grace ends exactly its family; a family never has two heads.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use prov_auth::{TokenSet, codes};

use crate::user_fixture::House;

const GRACE: u64 = 10;

#[derive(Debug, Clone)]
enum Act {
    /// Time passes, in seconds.
    Wait(u64),
    /// A tab of the client refreshes with the token it has; the answer may get lost.
    Refresh { tab: usize, lost: bool },
    /// Two tabs refresh at once with the tokens they have.
    Race,
    /// A thief copies what a tab has.
    Steal { tab: usize },
    /// The thief refreshes.
    Thieve,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..GRACE * 2).prop_map(Act::Wait),
        4 => (0..2_usize, any::<bool>()).prop_map(|(tab, lost)| Act::Refresh { tab, lost }),
        2 => Just(Act::Race),
        1 => (0..2_usize).prop_map(|tab| Act::Steal { tab }),
        1 => Just(Act::Thieve),
    ]
}

/// One family, with the model that says what must happen.
struct Family<'a> {
    house: &'a House,
    tabs: [TokenSet; 2],
    stolen: Option<TokenSet>,
    /// Since when each token of the family is spent, in seconds of the model.
    spent: BTreeMap<String, u64>,
    head: TokenSet,
    now: u64,
    alive: bool,
}

impl Family<'_> {
    async fn present(&mut self, tokens: &TokenSet) -> Option<TokenSet> {
        let text = text(tokens);
        let answer = self.house.refresh(tokens).await;
        if !self.alive {
            assert!(answer.unwrap_err().is(codes::REFRESH_TOKEN_INVALID), "a dead family is dead");
            return None;
        }
        match self.spent.get(&text).copied() {
            None => {
                assert_eq!(text, self.text_of_head(), "only the head is unspent");
                let next = answer.expect("the head rotates");
                self.spent.insert(text, self.now);
                self.head = next.clone();
                Some(next)
            }
            Some(at) if self.now - at <= GRACE => {
                let again = answer.expect("within the grace nobody is signed out");
                assert_eq!(again, self.head, "the family has one head");
                Some(again)
            }
            Some(_) => {
                assert!(answer.unwrap_err().is(codes::REFRESH_TOKEN_REUSED), "a replay is one");
                assert!(self.house.try_context(&self.head).is_err(), "its access tokens too");
                self.alive = false;
                None
            }
        }
    }

    fn text_of_head(&self) -> String {
        text(&self.head)
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Wait(seconds) => {
                self.now += seconds;
                self.house.wait(Duration::from_secs(seconds));
            }
            Act::Refresh { tab, lost } => {
                let tokens = self.tabs[tab].clone();
                if let Some(next) = self.present(&tokens).await
                    && !lost
                {
                    self.tabs[tab] = next;
                }
            }
            Act::Race => {
                let (one, two) = (self.tabs[0].clone(), self.tabs[1].clone());
                // The same token at the same moment: whoever wins, both get one answer.
                if self.alive && text(&one) == self.text_of_head() && text(&two) == text(&one) {
                    let (a, b) = tokio::join!(self.house.refresh(&one), self.house.refresh(&two));
                    let (a, b) = (a.unwrap(), b.unwrap());
                    assert_eq!(a, b);
                    self.spent.insert(text(&one), self.now);
                    self.head = a.clone();
                    self.tabs = [a, b];
                }
            }
            Act::Steal { tab } => self.stolen = Some(self.tabs[tab].clone()),
            Act::Thieve => {
                if let Some(tokens) = self.stolen.clone()
                    && let Some(next) = self.present(&tokens).await
                {
                    self.stolen = Some(next);
                }
            }
        }
    }
}

fn text(tokens: &TokenSet) -> String {
    tokens.refresh_token.as_ref().unwrap().expose().to_owned()
}

#[test]
fn no_history_signs_out_the_innocent_or_spares_a_replay() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (house, bystander) = runtime.block_on(async {
        let house = House::new().await;
        house.user("alice", &[]).await;
        let bystander = house.login("alice").await;
        (house, bystander)
    });
    let bystander = std::cell::RefCell::new(bystander);
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() };
    proptest!(config, |(acts in prop::collection::vec(act(), 1..24))| {
        runtime.block_on(async {
            let tokens = house.login("alice").await;
            let mut family = Family {
                house: &house,
                tabs: [tokens.clone(), tokens.clone()],
                stolen: None,
                spent: BTreeMap::new(),
                head: tokens,
                now: 0,
                alive: true,
            };
            for act in acts {
                family.act(act).await;
            }
            // Whatever became of this family, the other session of the same user goes on.
            let tokens = bystander.borrow().clone();
            let next = house.refresh(&tokens).await.unwrap();
            *bystander.borrow_mut() = next;
            house.wait(Duration::from_secs(11));
            if family.alive {
                house.service.logout(&house.context(&house.refresh(&family.head).await.unwrap()))
                    .await
                    .unwrap();
            }
        });
    });
}
