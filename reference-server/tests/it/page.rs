//! The page that shows the API.

use std::collections::BTreeSet;

use crate::document::operations;
use crate::server::Home;

/// What stands in the headings of endpoints, as a reader sees it.
fn headings(page: &str) -> BTreeSet<String> {
    let of_article = |article: &str| {
        let heading = article.split("<h3>").nth(1)?.split("</h3>").next()?;
        let (mut text, mut inside) = (String::new(), false);
        for character in heading.chars() {
            match character {
                '<' => inside = true,
                '>' => inside = false,
                other if !inside => text.push(other),
                _ => {}
            }
        }
        Some(text)
    };
    page.split("<article ").skip(1).filter_map(of_article).collect()
}

#[test]
fn every_operation_is_on_the_page_and_the_page_needs_nothing_else() {
    let server = Home::new().start();
    let nobody = server.client();
    let answer = nobody.get("/api/docs");
    let page = answer.text();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type").as_deref(), Some("text/html; charset=utf-8"));
    let headings = headings(&page);
    for operation in operations(&nobody) {
        assert!(headings.contains(&operation.name()), "{} of {headings:?}", operation.name());
    }
    // Every link inside the page leads somewhere.
    for link in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(page.contains(&format!("id=\"{link}\"")), "#{link}");
    }
    // Nothing that the policy would have to allow: no script, no inline style, no other origin.
    let policy = answer.header("content-security-policy").unwrap();
    for rule in
        ["default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "form-action 'none'"]
    {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    for forbidden in ["<script", "<style", " style=", "javascript:", "http://", " src="] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    let style = nobody.get("/api/docs.css");
    assert_eq!(style.header("content-type").as_deref(), Some("text/css; charset=utf-8"));
    assert!(
        !style.text().contains("url(") && !style.text().contains("@import"),
        "{}",
        style.text()
    );
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let server = Home::new().start();
    let document = server.client().get("/api/openapi.json").expect(200);
    let text = document.to_string();
    let references: BTreeSet<&str> =
        text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(references.len() > 100, "{}", references.len());
    for reference in references {
        assert!(document.pointer(reference).is_some(), "#{reference}");
    }
}
