//! `prov policy what` and `prov policy who`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::{Part, Session};
use super::attributes_of;
use crate::failure::Outcome;

/// What somebody may do.
#[derive(Debug, Args)]
pub(crate) struct What {
    /// What: deploy, ssh, …
    action: String,
    /// To resources of which type: Server, Cluster, …
    resource_type: String,
    /// The approval
    #[arg(long)]
    approval: Option<String>,
    /// Who, if not you: a user's id; needs a permission of its own
    #[arg(long, value_name = "USER")]
    principal: Option<String>,
    /// Assume a second factor; needs a permission of its own
    #[arg(long)]
    mfa: bool,
    #[command(flatten)]
    part: Part,
}

/// Who may do something.
#[derive(Debug, Args)]
pub(crate) struct Who {
    /// What: deploy, ssh, …
    action: String,
    /// The type of the resource: Server, Cluster, …
    resource_type: String,
    /// Its id
    resource: String,
    /// An attribute, `name=value`, of a resource that is not in the inventory; may be repeated
    #[arg(long = "attribute", short = 'a', value_name = "NAME=VALUE")]
    attributes: Vec<String>,
    /// The approval
    #[arg(long)]
    approval: Option<String>,
    /// Assume a second factor
    #[arg(long)]
    mfa: bool,
    #[command(flatten)]
    part: Part,
}

impl What {
    pub(super) fn run(self, session: &Session) -> Outcome {
        let context = context(self.approval, self.mfa);
        let mut body =
            json!({ "action": self.action, "type": self.resource_type, "context": context });
        if let Some(id) = self.principal {
            put(&mut body, "principal", json!({ "type": "User", "id": id }));
        }
        self.part.into(&mut body);
        let answer = session.client.post("/api/v1/authz/search/resources", &body)?;
        session.show(&answer, &["type", "id"])
    }
}

impl Who {
    pub(super) fn run(self, session: &Session) -> Outcome {
        let resource = json!({
            "type": self.resource_type, "id": self.resource,
            "attributes": attributes_of(&self.attributes)?,
        });
        let context = context(self.approval, self.mfa);
        let mut body = json!({ "action": self.action, "resource": resource, "context": context });
        self.part.into(&mut body);
        let answer = session.client.post("/api/v1/authz/search/principals", &body)?;
        session.show(&answer, &["type", "id"])
    }
}

fn context(approval: Option<String>, mfa: bool) -> Map<String, Value> {
    let mut context = Map::new();
    context.extend(approval.map(|id| ("approval_id".to_owned(), id.into())));
    context.extend(mfa.then(|| ("mfa_verified".to_owned(), true.into())));
    context
}

fn put(body: &mut Value, name: &str, value: Value) {
    if let Some(object) = body.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}
