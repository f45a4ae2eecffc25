//! The OpenAPI document as a page to read: HTML without any script, made once when the server
//! starts.

mod schema;

use std::fmt::Write as _;

use http::Method;
use prov_http::{Access, Repeat, Route, RouteTable};
use schema::{kind_of, members};
use serde_json::{Map, Value};

/// How it looks. A file of its own: the content security policy allows no style in the page.
pub(super) const STYLE: &str = include_str!("page/style.css");

/// What the page may load: its own style, and nothing else.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                                 frame-ancestors 'none'";

/// Text inside a tag or an attribute.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Prose: what stands in backticks is code.
struct Prose<'a>(&'a str);

impl std::fmt::Display for Prose<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, part) in self.0.split('`').enumerate() {
            if number % 2 == 1 {
                write!(f, "<code>{}</code>", Escaped(part))?;
            } else {
                write!(f, "{}", Escaped(part))?;
            }
        }
        Ok(())
    }
}

/// A text of the document; empty when there is none.
fn text<'d>(value: &'d Value, member: &str) -> &'d str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// The members of an object of the document; none when there is no such object.
fn object<'d>(value: &'d Value, member: &str) -> impl Iterator<Item = (&'d String, &'d Value)> {
    value.get(member).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// What an element is called inside the page.
fn anchor(parts: &[&str]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    parts.join("-").chars().map(plain).collect()
}

/// The page.
pub(super) fn render(document: &Value, table: &RouteTable) -> String {
    let mut page = String::with_capacity(256 * 1024);
    // Writing to a string does not fail.
    let _ = write_page(&mut page, document, table);
    page.shrink_to_fit();
    page
}

fn write_page(page: &mut String, document: &Value, table: &RouteTable) -> std::fmt::Result {
    let info = document.get("info").unwrap_or(&Value::Null);
    let (title, version) = (Escaped(text(info, "title")), Escaped(text(info, "version")));
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} API</title>\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <link rel=\"stylesheet\" href=\"/api/docs.css\"></head>\n\
         <body><header><h1>{title} API <small>{version}</small></h1><p>{}</p>\
         <p><a href=\"/api/openapi.json\">The same as an OpenAPI document</a></p></header>\n",
        Prose(text(info, "description")),
    )?;
    let tags = tags(document);
    page.push_str("<nav aria-label=\"Contents\"><ul>");
    for tag in &tags {
        write!(page, "<li><a href=\"#{}\">{}</a></li>", anchor(&["tag", tag]), Escaped(tag))?;
    }
    page.push_str(
        "<li><a href=\"#problems\">problems</a></li><li><a href=\"#schemas\">schemas</a></li>\
         </ul></nav>\n<main>\n",
    );
    for tag in &tags {
        writeln!(page, "<section id=\"{}\"><h2>{}</h2>", anchor(&["tag", tag]), Escaped(tag))?;
        for (path, method, operation) in operations(document) {
            if tag_of(operation) == *tag {
                let route = table.iter().find(|r| r.path == path && r.method == method);
                write_operation(page, path, &method, operation, route)?;
            }
        }
        page.push_str("</section>\n");
    }
    write_components(page, document)?;
    page.push_str("</main></body></html>\n");
    Ok(())
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, Method, &Value)> {
    object(document, "paths").flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flat_map(Map::iter);
        methods.filter_map(|(method, operation)| {
            Some((path.as_str(), method.to_uppercase().parse().ok()?, operation))
        })
    })
}

fn tag_of(operation: &Value) -> &str {
    operation.pointer("/tags/0").and_then(Value::as_str).unwrap_or("others")
}

/// In the order in which they come.
fn tags(document: &Value) -> Vec<&str> {
    let mut tags = Vec::new();
    for (_, _, operation) in operations(document) {
        let tag = tag_of(operation);
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

fn write_operation(
    page: &mut String,
    path: &str,
    method: &Method,
    operation: &Value,
    route: Option<&Route>,
) -> std::fmt::Result {
    let id = anchor(&[method.as_str(), path]);
    write!(
        page,
        "<article id=\"{id}\"><h3><a href=\"#{id}\"><b>{method}</b> {}</a></h3><p>{}</p>",
        Escaped(path),
        Prose(text(operation, "summary")),
    )?;
    for paragraph in text(operation, "description").split("\n\n").filter(|p| !p.is_empty()) {
        write!(page, "<p>{}</p>", Prose(paragraph))?;
    }
    if let Some(route) = route {
        write!(page, "<p class=\"who\">{}</p>", Prose(&who(route)))?;
    }
    let parameters = operation.get("parameters").and_then(Value::as_array);
    if let Some(parameters) = parameters.filter(|all| !all.is_empty()) {
        page.push_str("<h4>Parameters</h4><dl>");
        for parameter in parameters {
            let required = parameter.get("required").and_then(Value::as_bool).unwrap_or(false);
            write!(
                page,
                "<dt><code>{}</code> <small>{}{}</small> {}</dt><dd>{}</dd>",
                Escaped(text(parameter, "name")),
                Escaped(text(parameter, "in")),
                if required { ", required" } else { "" },
                kind_of(parameter.get("schema").unwrap_or(&Value::Null)),
                Prose(text(parameter, "description")),
            )?;
        }
        page.push_str("</dl>");
    }
    if let Some(body) = operation.get("requestBody") {
        page.push_str("<h4>Body</h4><p>");
        write_content(page, body)?;
        page.push_str("</p>");
    }
    write_answers(page, operation)?;
    page.push_str("</article>\n");
    Ok(())
}

/// Who may use a route, and what becomes of a repeated request.
fn who(route: &Route) -> String {
    let mut who = match &route.access {
        Access::Public => "Needs no sign-in.".to_owned(),
        Access::SelfService => "For whoever is signed in, about themselves.".to_owned(),
        Access::Guarded { action, resource } => {
            format!("For whom the policies allow `{action}` on `{resource}`.")
        }
    };
    if let Some(within) = route.second_factor_within {
        let _ = write!(who, " With a second factor of the last {} s.", within.as_secs());
    }
    if let Some(within) = route.signed_in_within {
        let _ = write!(
            who,
            " After signing in, or proving oneself again, in the last {} s.",
            within.as_secs()
        );
    }
    let changes = ![Method::GET, Method::HEAD].contains(&route.method);
    match route.repeat {
        Repeat::Answered if changes => {
            who.push_str(" With `Idempotency-Key`, a repetition gets the first answer again.");
        }
        Repeat::Withheld if changes => who.push_str(
            " With `Idempotency-Key`, a repetition is refused: the answer is shown once.",
        ),
        _ => {}
    }
    who
}

fn write_content(page: &mut String, holder: &Value) -> std::fmt::Result {
    for (number, (kind, content)) in object(holder, "content").enumerate() {
        let or = if number > 0 { ", or " } else { "" };
        let schema = content.get("schema").unwrap_or(&Value::Null);
        write!(page, "{or}<code>{}</code>: {}", Escaped(kind), kind_of(schema))?;
    }
    Ok(())
}

/// Answers of its own one by one, those of every endpoint as references.
fn write_answers(page: &mut String, operation: &Value) -> std::fmt::Result {
    page.push_str("<h4>Answers</h4><dl>");
    let mut common = String::new();
    for (status, answer) in object(operation, "responses") {
        if let Some(name) = text(answer, "$ref").rsplit('/').next().filter(|name| !name.is_empty())
        {
            let id = anchor(&["problem", name]);
            write!(common, " <a href=\"#{id}\">{}</a>", Escaped(status))?;
            continue;
        }
        let description = Prose(text(answer, "description"));
        write!(page, "<dt><code>{}</code></dt><dd>{description} ", Escaped(status))?;
        write_content(page, answer)?;
        page.push_str("</dd>");
    }
    if !common.is_empty() {
        write!(page, "<dt>Problems</dt><dd>{common}</dd>")?;
    }
    page.push_str("</dl>");
    Ok(())
}

fn write_components(page: &mut String, document: &Value) -> std::fmt::Result {
    let components = document.get("components").unwrap_or(&Value::Null);
    page.push_str("<section id=\"problems\"><h2>problems</h2><dl>");
    for (name, response) in object(components, "responses") {
        write!(
            page,
            "<dt id=\"{}\">{}</dt><dd>{} ",
            anchor(&["problem", name]),
            Escaped(name),
            Prose(text(response, "description")),
        )?;
        write_content(page, response)?;
        page.push_str("</dd>");
    }
    page.push_str("</dl></section>\n<section id=\"schemas\"><h2>schemas</h2>\n");
    for (name, schema) in object(components, "schemas") {
        let id = anchor(&["schema", name]);
        write!(page, "<article id=\"{id}\"><h3><a href=\"#{id}\">{}</a></h3>", Escaped(name))?;
        writeln!(
            page,
            "<p>{}</p>{}</article>",
            Prose(text(schema, "description")),
            members(schema)
        )?;
    }
    page.push_str("</section>\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_of_the_document_can_never_become_markup() {
        let hostile = "<script>alert('1')</script>\" onload=\"x";
        let document = json!({
            "info": { "title": hostile, "version": hostile, "description": hostile },
            "paths": { (hostile): { "post": {
                "tags": [hostile], "summary": hostile, "description": hostile,
                "parameters": [{ "name": hostile, "in": hostile, "description": hostile,
                    "schema": { "type": hostile, "enum": [hostile], "format": hostile } }],
                "requestBody": { "content": { (hostile): { "schema": { "$ref": hostile } } } },
                "responses": { (hostile): { "description": hostile } },
            } } },
            "components": {
                "responses": { (hostile): { "description": hostile } },
                "schemas": { (hostile): { "description": hostile, "properties": {
                    (hostile): { "description": hostile, "const": hostile, "default": hostile }
                } } },
            },
        });
        let page = render(&document, &RouteTable::default());
        assert!(!page.contains("<script") && !page.contains("\" onload"), "{page}");
        assert!(page.matches("&lt;script&gt;").count() > 12, "{page}");
    }

    #[test]
    fn backticks_are_code_and_what_is_in_them_is_escaped() {
        assert_eq!(Prose("a `<b>` c").to_string(), "a <code>&lt;b&gt;</code> c");
    }
}
