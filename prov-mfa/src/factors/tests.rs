use std::time::Duration;

use prov_core::{ManualClock, SecretBytes, SecretText};

use super::*;

const LIMIT: Limit = Limit { attempts: 5, window: Duration::from_mins(5) };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn code(text: &str) -> TotpCode {
    TotpCode::read(&SecretText::new(text)).unwrap()
}

/// A user with the secret of RFC 6238, appendix B, confirmed long ago.
fn enrolled() -> UserFactors {
    let clock = ManualClock::at(at(0));
    let mut factors = UserFactors::none_of(UserId::generate(&clock).unwrap());
    factors.totp.push(TotpDevice {
        id: TotpId::generate(&clock).unwrap(),
        name: "phone".to_owned(),
        secret: SecretBytes::new(b"12345678901234567890".to_vec()),
        created_at: at(0),
        state: DeviceState::Confirmed { at: at(0), last_step: 0, last_used_at: at(0) },
    });
    factors
}

fn check(factors: &mut UserFactors, text: &str, second: i64) -> Checked<TotpId> {
    factors.prune(at(second));
    factors.check_totp(Which::AnyConfirmed, &code(text), 1, &LIMIT, at(second)).unwrap()
}

#[test]
fn a_code_works_once_also_at_the_edges_of_its_time() {
    let mut factors = enrolled();
    assert!(matches!(check(&mut factors, "081804", 1_111_111_050), Checked::Held(_)));
    for second in [1_111_111_050, 1_111_111_109, 1_111_111_139] {
        assert_eq!(check(&mut factors, "081804", second), Checked::Rejected("replayed"));
    }
    // The next step is another code, and closes the door on everything before it.
    assert!(matches!(check(&mut factors, "050471", 1_111_111_139), Checked::Held(_)));
    assert_eq!(check(&mut factors, "081804", 1_111_111_139), Checked::Rejected("replayed"));
}

#[test]
fn the_sixth_attempt_is_not_looked_at_and_the_window_slides() {
    let mut factors = enrolled();
    for minute in 0..5 {
        let answer = check(&mut factors, "000000", 1_111_110_900 + minute);
        assert_eq!(answer, Checked::Rejected("wrong_code"));
    }
    // Right, and still refused: until the first of the five is five minutes old.
    assert_eq!(check(&mut factors, "081804", 1_111_111_109), Checked::Limited(at(1_111_111_200)));
    let answer = check(&mut factors, "000000", 1_111_111_200);
    assert_eq!(answer, Checked::Rejected("wrong_code"));
    assert_eq!(check(&mut factors, "000000", 1_111_111_200), Checked::Limited(at(1_111_111_201)));
}

#[test]
fn a_success_cleans_the_slate_of_its_factor_only() {
    let mut factors = enrolled();
    let (set, _) = BackupSet::fresh(&factors.user, at(0)).unwrap();
    factors.backup = Some(set);
    let wrong = BackupCode::read(&SecretText::new("0".repeat(25))).unwrap();
    for _ in 0..4 {
        check(&mut factors, "000000", 1_111_111_109);
        factors.check_backup(&wrong, &LIMIT, at(1_111_111_109));
    }
    assert!(matches!(check(&mut factors, "081804", 1_111_111_109), Checked::Held(_)));
    let fifth = factors.check_backup(&wrong, &LIMIT, at(1_111_111_109));
    assert_eq!(fifth, Checked::Rejected("wrong_code"));
    let sixth = factors.check_backup(&wrong, &LIMIT, at(1_111_111_109));
    assert!(matches!(sixth, Checked::Limited(_)));
    assert_eq!(check(&mut factors, "000000", 1_111_111_109), Checked::Rejected("wrong_code"));
}

#[test]
fn a_backup_code_works_once_and_for_its_user_only() {
    let mut factors = enrolled();
    let now = at(1_111_111_109);
    let (set, shown) = BackupSet::fresh(&factors.user, now).unwrap();
    factors.backup = Some(set.clone());
    let code = BackupCode::read(&shown[3]).unwrap();
    assert_eq!(factors.check_backup(&code, &LIMIT, now), Checked::Held(9));
    assert_eq!(factors.check_backup(&code, &LIMIT, now), Checked::Rejected("replayed"));

    let mut other = enrolled();
    other.backup = Some(set);
    let moved = other.check_backup(&BackupCode::read(&shown[4]).unwrap(), &LIMIT, now);
    assert_eq!(moved, Checked::Rejected("wrong_code"), "a set moved to another user opens nothing");
}

#[test]
fn backup_codes_stand_in_for_a_factor_and_go_with_the_last_one() {
    let mut factors = enrolled();
    let (set, shown) = BackupSet::fresh(&factors.user, at(0)).unwrap();
    factors.backup = Some(set.clone());
    assert_eq!(factors.methods(), [FactorMethod::Totp, FactorMethod::BackupCode]);
    let id = factors.totp[0].id.clone();
    assert!(factors.remove(&id).is_some());
    assert!(factors.backup.is_none() && factors.methods().is_empty());
    factors.backup = Some(set);
    let code = BackupCode::read(&shown[0]).unwrap();
    assert_eq!(factors.check_backup(&code, &LIMIT, at(0)), Checked::Rejected("not_enrolled"));
}

#[test]
fn what_is_stored_holds_no_code_and_comes_back_whole() {
    let mut factors = enrolled();
    let (set, shown) = BackupSet::fresh(&factors.user, at(0)).unwrap();
    factors.backup = Some(set);
    let json = serde_json::to_string(&factors).unwrap();
    for code in &shown {
        assert!(!json.contains(code.expose()));
        assert!(!json.contains(&code.expose().replace('-', "")));
    }
    let mut read: UserFactors = serde_json::from_str(&json).unwrap();
    assert!(matches!(check(&mut read, "081804", 1_111_111_109), Checked::Held(_)));
    let code = BackupCode::read(&shown[0]).unwrap();
    assert_eq!(read.check_backup(&code, &LIMIT, at(0)), Checked::Held(9));
    assert!(!format!("{factors:?}").contains("123456789"));
}

#[test]
fn a_record_without_a_factor_ends_and_one_with_a_factor_does_not() {
    let mut factors = enrolled();
    assert_eq!(factors.expires_at(), None);
    factors.totp.clear();
    check(&mut factors, "000000", 1000);
    assert_eq!(factors.expires_at(), Some(at(1300)));
}

#[test]
fn an_enrolment_is_void_from_its_last_second_on_also_beside_a_confirmed_app() {
    let mut factors = enrolled();
    let mut waiting = factors.totp[0].clone();
    waiting.id = TotpId::generate(&ManualClock::at(at(1))).unwrap();
    waiting.state = DeviceState::Pending { until: at(900) };
    factors.totp.push(waiting);
    factors.prune(at(899));
    assert_eq!(factors.totp.len(), 2);
    factors.prune(at(900));
    assert_eq!(factors.totp.len(), 1);
    assert!(factors.has_confirmed());
}

#[test]
fn the_same_digits_in_two_steps_running_hold_once() {
    // The secret of RFC 6238 shows these digits in the steps 910737 and 910738, found by search.
    let (digits, second) = ("911617", 910_737 * 30);
    assert!(
        matches!(check(&mut enrolled(), digits, second + 60), Checked::Held(_)),
        "the later one"
    );
    let mut factors = enrolled();
    assert!(matches!(check(&mut factors, digits, second), Checked::Held(_)));
    assert_eq!(check(&mut factors, digits, second + 30), Checked::Rejected("replayed"));
}
