//! That it makes no difference who evaluates: Cedar, or what stands beside it.

use prov_authz::{
    AccessRequest, CedarEngine, CedarOptions, Claims, PolicyEngine, PolicyFiles, SourceFile,
};

use crate::world::{NOON, OFFICE, circumstances, clock, member, server};

/// A schema whose requests say more about themselves, and a policy that looks at all of it.
fn files() -> PolicyFiles {
    let mut files = PolicyFiles::shipped();
    let more = "force?: Bool, ticket?: String, level?: Long, urgent?: Bool,";
    files.schema.text = files.schema.text.replace("force?: Bool,", more);
    let text = r#"
        @id("ticketed") @description("urgent tickets")
        permit (principal in Provisioning::Team::"audit", action == Provisioning::Action::"list", resource)
        when { context has ticket && context.ticket like "T-*" }
        when { context has level && context.level > 3 && context has urgent && context.urgent };
    "#;
    files.policies.push(SourceFile::new("zz.cedar", text));
    files
}

#[test]
fn further_facts_are_seen_alike() {
    let files = files();
    let engines = [CedarOptions::default(), CedarOptions::default().evaluated_by_cedar()]
        .map(|options| CedarEngine::from_files(&files, clock(), options).unwrap());
    let (who, what) = (member(&["audit"]), server("production"));
    let office = circumstances(false, OFFICE, NOON);
    let told = Claims::default().with_fact("ticket", "T-1").with_fact("level", 4);
    for (claims, is_seen) in [
        (told.clone().with_fact("urgent", true), true),
        (told.clone().with_fact("urgent", false), false),
        (told.clone(), false),
        (told.with_fact("level", 3).with_fact("urgent", true), false),
        (Claims::default(), false),
    ] {
        let asked = AccessRequest::by(&who, office, "list", &what).with_claims(&claims);
        for engine in &engines {
            let decision = engine.decide(&asked);
            let seen = decision.determining_policies.iter().any(|id| id == "ticketed");
            assert_eq!((decision.allowed, seen), (true, is_seen), "{claims:?}");
        }
    }
}
