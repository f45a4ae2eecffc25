//! Addresses, times and numbers that stand in policies as texts: read once, by Cedar itself.

use std::collections::HashMap;
use std::str::FromStr;

use cedar_policy::{
    Context, Entities, EntityUid, EvalResult, Expression, Request, eval_expression,
};

use super::value::{Constant, Network};

/// The functions that make a value of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Maker {
    Ip,
    Datetime,
    Duration,
    Decimal,
}

/// Reads texts; each one once.
#[derive(Debug)]
pub(super) struct Constants {
    request: Option<Request>,
    entities: Entities,
    known: HashMap<(Maker, String), Option<Constant>>,
}

impl Constants {
    pub(super) fn new() -> Self {
        let nobody = EntityUid::from_str("Nobody::\"\"").ok();
        let request = nobody.and_then(|uid| {
            Request::new(uid.clone(), uid.clone(), uid, Context::empty(), None).ok()
        });
        Self { request, entities: Entities::empty(), known: HashMap::new() }
    }

    /// The value Cedar reads in this text; nothing when it reads none.
    pub(super) fn read(&mut self, maker: Maker, text: &str) -> Option<Constant> {
        // The texts go into expressions; those that are values have none but these letters.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:/+-".contains(&byte);
        if !text.bytes().all(is_plain) {
            return None;
        }
        let key = (maker, text.to_owned());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let found = self.ask(maker, text);
        self.known.insert(key, found.clone());
        found
    }

    fn ask(&self, maker: Maker, text: &str) -> Option<Constant> {
        match maker {
            Maker::Ip => {
                self.evaluate(&format!("ip(\"{text}\").isIpv4()"))?;
                Network::read(text).map(Constant::Address)
            }
            Maker::Datetime => {
                let since = "durationSince(datetime(\"1970-01-01\")).toMilliseconds()";
                self.long(&format!("datetime(\"{text}\").{since}")).map(Constant::Moment)
            }
            Maker::Duration => {
                self.long(&format!("duration(\"{text}\").toMilliseconds()")).map(Constant::Span)
            }
            Maker::Decimal => {
                self.evaluate(&format!("decimal(\"{text}\").lessThan(decimal(\"0.0\"))"))?;
                ten_thousandths(text).map(Constant::Decimal)
            }
        }
    }

    fn long(&self, expression: &str) -> Option<i64> {
        match self.evaluate(expression)? {
            EvalResult::Long(number) => Some(number),
            _ => None,
        }
    }

    fn evaluate(&self, expression: &str) -> Option<EvalResult> {
        let expression = Expression::from_str(expression).ok()?;
        eval_expression(self.request.as_ref()?, &self.entities, &expression).ok()
    }
}

/// Of a text that Cedar takes for a decimal number.
fn ten_thousandths(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.')?;
    format!("{whole}{fraction:0<4}").parse().ok()
}

/// What a function makes of a text, for tests that have it by name.
#[cfg(test)]
pub(in crate::cedar) fn read_constant(
    function: &str,
    text: &str,
) -> Option<super::value::Value<'static>> {
    use super::value::Value;

    let maker = match function {
        "ip" => Maker::Ip,
        "datetime" => Maker::Datetime,
        "duration" => Maker::Duration,
        "decimal" => Maker::Decimal,
        _ => return None,
    };
    Some(match Constants::new().read(maker, text)? {
        Constant::Address(network) => Value::Address(network),
        Constant::Moment(millis) => Value::Moment(millis),
        Constant::Span(millis) => Value::Span(millis),
        Constant::Decimal(number) => Value::Decimal(number),
        _ => return None,
    })
}
