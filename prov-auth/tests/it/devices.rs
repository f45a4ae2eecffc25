//! Devices: recognised, listed, forgotten; and why they are there.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use prov_auth::{AuthOptions, AuthParts, AuthService, LoginOutcome, TokenSet, codes};
use prov_core::audit::{Event, Outcome};
use prov_core::{
    Addressee, Error, News, Notice, Notifier, RequestFacts, Result, SecretText, SubjectData,
    codes as core_codes,
};

use crate::user_fixture::{House, PASSWORD, secret};

/// Keeps what people were told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) notices: Mutex<Vec<(String, Notice)>>,
    tries: Mutex<u32>,
    is_down: Mutex<bool>,
}

#[async_trait]
impl Notifier for Told {
    async fn notify(&self, to: &Addressee, notice: &Notice) -> Result<()> {
        *self.tries.lock() += 1;
        if *self.is_down.lock() {
            return Err(Error::new(core_codes::INTERNAL));
        }
        self.notices.lock().push((to.name.clone(), notice.clone()));
        Ok(())
    }
}

pub(crate) struct Home {
    pub(crate) house: House,
    pub(crate) service: Arc<AuthService>,
    pub(crate) told: Arc<Told>,
}

impl Home {
    pub(crate) async fn new() -> Self {
        let house = House::new().await;
        let told = Arc::new(Told::default());
        let parts = AuthParts { notifier: Some(told.clone()), ..house.parts.clone() };
        let service = AuthService::open(parts, AuthOptions::default()).await.unwrap();
        house.user("alice", &[]).await;
        house.user("bob", &[]).await;
        Self { house, service, told }
    }

    pub(crate) fn facts(&self, ip: &str, device: Option<&SecretText>) -> RequestFacts {
        let facts = self.house.facts().from_client(Some(ip.parse().unwrap()));
        facts.by_agent(Some("Firefox")).by_device(device.cloned())
    }

    pub(crate) async fn try_login(
        &self,
        name: &str,
        password: &str,
        from: &RequestFacts,
    ) -> Result<TokenSet> {
        match self.service.login(name, &secret(password), from).await? {
            LoginOutcome::Tokens(tokens) => Ok(tokens),
            LoginOutcome::MfaRequired { .. } => panic!("no second factor is enrolled"),
        }
    }

    pub(crate) async fn login(
        &self,
        name: &str,
        ip: &str,
        device: Option<&SecretText>,
    ) -> TokenSet {
        self.try_login(name, PASSWORD, &self.facts(ip, device)).await.unwrap()
    }

    /// How often news of a device was recorded.
    fn news(&self) -> usize {
        self.recorded("auth.device.new").len()
    }

    pub(crate) fn recorded(&self, action: &str) -> Vec<Event> {
        let events = self.house.recorder.events();
        events.into_iter().filter(|event| event.action.as_str() == action).collect()
    }

    pub(crate) async fn delivered(&self) -> usize {
        self.service.deliver_notices().await.unwrap();
        self.told.notices.lock().len()
    }
}

#[tokio::test]
async fn a_new_device_is_news_once_and_is_listed() {
    let home = Home::new().await;
    let first = home.login("alice", "192.0.2.1", None).await;
    let device = first.device.clone().unwrap();
    let again = home.login("alice", "192.0.2.2", Some(&device)).await;
    assert!(again.device.is_none(), "it keeps what it has");
    assert_eq!((home.news(), home.delivered().await, home.service.stats().new_devices), (1, 1, 1));
    let listed = home.service.devices(&home.house.context(&again)).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].name.as_deref(), Some("Firefox"));
    assert_eq!(listed[0].ip, Some("192.0.2.2".parse().unwrap()));
    // For somebody else it is another device.
    let bob = home.login("bob", "192.0.2.1", Some(&device)).await;
    assert_eq!(home.news(), 2);
    assert_eq!(home.service.devices(&home.house.context(&bob)).await.unwrap().len(), 1);
    let event = &home.house.recorder.events();
    assert!(!format!("{event:?}").contains(device.expose()));
}

/// What somebody has put into a browser is taken over for nobody: neither what no server handed out, nor what
/// this one handed out to whoever put it there.
#[tokio::test]
async fn no_planted_value_becomes_a_users_device() {
    let home = Home::new().await;
    let of_mallory = home.login("bob", "203.0.113.66", None).await.device.unwrap();
    for planted in [SecretText::new("me"), SecretText::new("A".repeat(43)), of_mallory] {
        let at_home = home.login("alice", "192.0.2.1", Some(&planted)).await.device.unwrap();
        assert!(at_home != planted && at_home.expose().len() == 43);
        let before = home.news();
        let elsewhere = home.login("alice", "203.0.113.66", Some(&planted)).await;
        assert_eq!(home.news(), before + 1, "whoever planted it is as new as anybody");
        assert!(elsewhere.device.is_some());
        assert!(home.login("alice", "192.0.2.1", Some(&at_home)).await.device.is_none());
    }
}

#[tokio::test]
async fn one_browser_is_known_to_everybody_who_uses_it() {
    let home = Home::new().await;
    home.house.user("carol", &[]).await;
    let of_alice = home.login("alice", "192.0.2.1", None).await.device.unwrap();
    let shared = home.login("bob", "192.0.2.1", Some(&of_alice)).await.device.unwrap();
    assert_ne!(shared, of_alice);
    let news = home.news();
    for name in ["alice", "bob", "alice"] {
        assert!(home.login(name, "192.0.2.1", Some(&shared)).await.device.is_none(), "{name}");
    }
    assert_eq!(home.news(), news);
    // The value before is nobody's.
    assert!(home.login("alice", "192.0.2.1", Some(&of_alice)).await.device.is_some());
    let tokens = home.login("alice", "192.0.2.1", Some(&shared)).await;
    let listed = home.service.devices(&home.house.context(&tokens)).await.unwrap();
    assert_eq!(listed.len(), 2, "it moved, and was not copied");
    let of_three = home.login("carol", "192.0.2.1", Some(&shared)).await.device.unwrap();
    for name in ["alice", "bob", "carol"] {
        assert!(home.login(name, "192.0.2.1", Some(&of_three)).await.device.is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_forgotten_device_is_new_again_and_nobody_forgets_anothers() {
    let home = Home::new().await;
    let alice = home.login("alice", "192.0.2.1", None).await;
    let bob = home.login("bob", "192.0.2.1", None).await;
    let (context, of_bob) = (home.house.context(&alice), home.house.context(&bob));
    let id = home.service.devices(&context).await.unwrap()[0].id.clone();
    let error = home.service.forget_device(&of_bob, &id).await.unwrap_err();
    assert!(error.is(core_codes::NOT_FOUND));
    home.service.forget_device(&context, &id).await.unwrap();
    assert!(home.service.devices(&context).await.unwrap().is_empty());
    let before = home.news();
    home.login("alice", "192.0.2.1", alice.device.as_ref()).await;
    assert_eq!(home.news(), before + 1);
}

#[tokio::test]
async fn a_notice_can_be_read_by_its_user_alone_and_deleted_by_nobody() {
    let home = Home::new().await;
    let alice = home.login("alice", "192.0.2.1", None).await;
    let bob = home.login("bob", "192.0.2.9", None).await;
    home.house.wait(Duration::from_secs(1));
    home.login("alice", "203.0.113.66", None).await;
    let context = home.house.context(&alice);
    let notices = home.service.notices(&context).await.unwrap();
    let from: Vec<_> = notices
        .iter()
        .map(|notice| match &notice.news {
            News::NewDevice { device, ip, .. } => (device.as_deref(), ip.unwrap().to_string()),
            other => panic!("{other:?}"),
        })
        .collect();
    let firefox = Some("Firefox");
    assert_eq!(from, [(firefox, "203.0.113.66".to_owned()), (firefox, "192.0.2.1".to_owned())]);
    assert_eq!(home.service.notices(&home.house.context(&bob)).await.unwrap().len(), 1);
    // Forgetting every device does not take back what was told of them.
    for device in home.service.devices(&context).await.unwrap() {
        home.service.forget_device(&context, &device.id).await.unwrap();
    }
    assert_eq!(home.service.notices(&context).await.unwrap().len(), 2);
    home.house.clock.advance(Duration::from_hours(90 * 24));
    assert!(home.service.notices(&context).await.unwrap().is_empty(), "it ends by itself");
}

#[tokio::test]
async fn what_can_not_be_delivered_keeps_nobody_out_and_is_delivered_later() {
    let home = Home::new().await;
    *home.told.is_down.lock() = true;
    home.login("alice", "192.0.2.1", None).await;
    assert_eq!(home.delivered().await, 0);
    assert_eq!(home.delivered().await, 0);
    assert_eq!(*home.told.tries.lock(), 1, "the next try takes its time");
    // Another service over the same store, as another node or after a crash.
    let parts = AuthParts { notifier: Some(home.told.clone()), ..home.house.parts.clone() };
    let other = AuthService::open(parts, AuthOptions::default()).await.unwrap();
    *home.told.is_down.lock() = false;
    other.deliver_notices().await.unwrap();
    assert_eq!(*home.told.tries.lock(), 1, "a claim holds on every node");
    home.house.clock.advance(Duration::from_secs(15));
    other.deliver_notices().await.unwrap();
    assert_eq!(home.delivered().await, 1, "once");
    assert_eq!(home.told.notices.lock()[0].0, "alice");
    let events = home.recorded("auth.notice.deliver");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].outcome, Outcome::Success);
    assert_eq!(other.stats().notices_delivered, 1);
}

#[tokio::test]
async fn what_nobody_takes_for_three_days_is_given_up_and_the_log_says_so() {
    let home = Home::new().await;
    *home.told.is_down.lock() = true;
    home.login("alice", "192.0.2.1", None).await;
    for _ in 0..100 {
        home.service.deliver_notices().await.unwrap();
        home.house.clock.advance(Duration::from_hours(1));
    }
    let tries = *home.told.tries.lock();
    assert!((70..=80).contains(&tries), "{tries}");
    let events = home.recorded("auth.notice.deliver");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].outcome, Outcome::Failure);
    assert_eq!(home.service.stats().notices_given_up, 1);
}

/// Whoever keeps no cookie, as many programs do, is new every time: that must neither fill the store nor
/// somebody's mailbox.
#[tokio::test]
async fn a_program_that_keeps_no_cookie_floods_nobody() {
    let home = Home::new().await;
    let mut last = None;
    for _ in 0..60 {
        last = Some(home.login("alice", "192.0.2.1", None).await);
    }
    let context = home.house.context(&last.unwrap());
    assert_eq!(home.service.devices(&context).await.unwrap().len(), 50);
    assert_eq!(home.service.notices(&context).await.unwrap().len(), 20);
    assert_eq!(home.delivered().await, 10);
    home.house.clock.advance(Duration::from_hours(24));
    home.login("alice", "192.0.2.1", None).await;
    assert_eq!(home.delivered().await, 11);
}

/// keycloak#26172, authelia#4730, GHSA-cq42-vhv7-xr7p: who fails often enough locks the owner out.
#[tokio::test]
async fn no_stranger_keeps_a_known_device_out_and_none_guesses_more_for_it() {
    let home = Home::new().await;
    let device = home.login("alice", "192.0.2.1", None).await.device.unwrap();
    let guess = async |ip: &str, device: Option<&SecretText>| {
        let facts = home.facts(ip, device);
        home.try_login("alice", "not the password", &facts).await.unwrap_err()
    };
    // From the owner's own address, and from many others.
    let mut heard = 0;
    for n in 0..400 {
        let ip = if n % 2 == 0 { "192.0.2.1".to_owned() } else { format!("198.51.100.{}", n / 2) };
        heard += usize::from(guess(&ip, None).await.is(codes::INVALID_CREDENTIALS));
    }
    assert!(heard <= 100, "{heard} guesses in an hour");
    assert!(guess("203.0.113.7", None).await.is(codes::LOGIN_THROTTLED));
    // A device that nobody handed out opens no lane, nor does one of somebody else.
    let forged = SecretText::new("A".repeat(43));
    assert!(guess("203.0.113.7", Some(&forged)).await.is(codes::LOGIN_THROTTLED));
    home.login("alice", "192.0.2.1", Some(&device)).await;
    home.login("alice", "203.0.113.8", Some(&device)).await;
    // The lane has a budget, too.
    for _ in 0..5 {
        assert!(guess("192.0.2.1", Some(&device)).await.is(codes::INVALID_CREDENTIALS));
    }
    assert!(guess("192.0.2.1", Some(&device)).await.is(codes::LOGIN_THROTTLED));
}

#[tokio::test]
async fn devices_go_with_their_user_and_are_part_of_what_is_held_about_them() {
    let home = Home::new().await;
    let tokens = home.login("alice", "192.0.2.1", None).await;
    let context = home.house.context(&tokens);
    let user = context.principal().id.parse().unwrap();
    let held = home.service.export(&user).await.unwrap();
    assert!(held.iter().any(|record| record.kind == "auth.device"));
    assert!(held.iter().any(|record| record.kind == "auth.notice"));
    home.service.erase(&home.house.system(), &user).await.unwrap();
    let left = home.service.export(&user).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}
