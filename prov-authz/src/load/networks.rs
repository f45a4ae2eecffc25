//! Options of a site, and the one policy that is made from them.

use std::net::IpAddr;

use super::Finding;
use crate::{Contradiction, InventoryPolicy};

/// The id of the policy that the corporate networks go into.
pub(super) const POLICY: &str = "prod-ip-restriction";
const DEFAULT: &str = "10.0.0.0/8";
/// The namespace of the shipped schema.
const NAMESPACE: &str = "Provisioning";

/// What a site may set without writing policies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CedarOptions {
    /// The networks from which production may be reached, `address/prefix` each; `10.0.0.0/8` by
    /// default.
    ///
    /// The default leaves every file as it is. Any other list takes the place of the policy with the
    /// id `prod-ip-restriction`, whose text is then generated; a set without a policy of that id is
    /// refused, because the list would have no effect. An empty list is refused as well.
    pub corporate_networks: Vec<String>,
    /// The namespace of schema and policies, `Provisioning` by default. An application's own schema
    /// declares `User`, `Team`, `Role` and `Api` in it besides the types of the application.
    pub namespace: String,
    /// What is decided about resources that are not in the inventory.
    pub inventory: InventoryPolicy,
    /// What becomes of a request that contradicts the inventory.
    pub contradiction: Contradiction,
    /// Whether Cedar evaluates every condition, and not only those that can't be evaluated without
    /// it. Nothing but the time a decision takes depends on it.
    pub by_cedar: bool,
}

impl Default for CedarOptions {
    fn default() -> Self {
        Self {
            corporate_networks: vec![DEFAULT.to_owned()],
            namespace: NAMESPACE.to_owned(),
            inventory: InventoryPolicy::default(),
            contradiction: Contradiction::default(),
            by_cedar: false,
        }
    }
}

impl CedarOptions {
    /// With these corporate networks.
    #[must_use]
    pub fn with_corporate_networks(
        mut self,
        networks: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.corporate_networks = networks.into_iter().map(Into::into).collect();
        self
    }

    /// With a schema in this namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Deciding so about resources that are not in the inventory.
    #[must_use]
    pub const fn with_inventory(mut self, policy: InventoryPolicy) -> Self {
        self.inventory = policy;
        self
    }

    /// Treating requests that contradict the inventory so.
    #[must_use]
    pub const fn with_contradiction(mut self, contradiction: Contradiction) -> Self {
        self.contradiction = contradiction;
        self
    }

    /// With every condition evaluated by Cedar.
    #[must_use]
    pub const fn evaluated_by_cedar(mut self) -> Self {
        self.by_cedar = true;
        self
    }

    /// The text of the policy; `None` when the files are to stay as they are.
    pub(super) fn generated_policy(&self) -> Result<Option<String>, Finding> {
        if self.corporate_networks == [DEFAULT] {
            return Ok(None);
        }
        let ranges = self
            .corporate_networks
            .iter()
            .map(|text| canonical(text))
            .collect::<Result<Vec<_>, _>>()?;
        if ranges.is_empty() {
            let message = "`corporate_networks` is empty, so nobody could reach production";
            return Err(Finding::file("", message, "name at least one network"));
        }
        let ranges: Vec<_> =
            ranges.iter().map(|r| format!("context.ip_address.isInRange(ip(\"{r}\"))")).collect();
        Ok(Some(format!(
            "@id(\"{POLICY}\")\n\
             @description(\"production is reached from the corporate networks only\")\n\
             forbid (\n  principal,\n  action,\n  \
             resource in {}::Environment::\"production\"\n)\n\
             unless {{\n  {}\n}};",
            self.namespace,
            ranges.join(" ||\n  ")
        )))
    }
}

fn canonical(text: &str) -> Result<String, Finding> {
    parse(text).map(|(address, prefix)| format!("{address}/{prefix}")).ok_or_else(|| {
        Finding::file(
            "",
            format!("`{text}` in `corporate_networks` is no network"),
            "write `10.0.0.0/8` or `2001:db8::/32`",
        )
    })
}

/// An address with a prefix; without one it is a single host. Prefixes have no leading zeros and no
/// sign, and an IPv4-mapped network is refused: it would never match a canonical address.
fn parse(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        Some(digits) => {
            digits.parse::<u8>().ok().filter(|p| *p <= bits && p.to_string() == digits)?
        }
        None => bits,
    };
    (address.to_canonical() == address).then_some((address, prefix))
}

/// An address inside the first corporate network, for counterfactuals.
pub(crate) fn first_address(options: &CedarOptions) -> Option<IpAddr> {
    options.corporate_networks.first().and_then(|text| parse(text)).map(|(address, _)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_leaves_the_files_alone() {
        assert_eq!(CedarOptions::default().generated_policy().unwrap(), None);
    }

    #[test]
    fn every_network_stands_in_the_generated_policy() {
        let options =
            CedarOptions::default().with_corporate_networks(["192.168.0.0/16", "2001:db8::/32"]);
        let text = options.generated_policy().unwrap().unwrap();
        assert!(text.contains("ip(\"192.168.0.0/16\")) ||"));
        assert!(text.contains("ip(\"2001:db8::/32\"))"));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in
            ["10.0.0.0/33", "x", "10.0.0.0/08", "::ffff:10.0.0.0/104", "10.0.0.0/8\")) || true", ""]
        {
            let options = CedarOptions::default().with_corporate_networks([text]);
            let finding = options.generated_policy().unwrap_err();
            assert!(finding.message.contains(text), "{text}");
        }
        let none = CedarOptions::default().with_corporate_networks(Vec::<String>::new());
        assert!(none.generated_policy().is_err());
    }
}
