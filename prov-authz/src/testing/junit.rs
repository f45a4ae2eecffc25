use std::collections::BTreeMap;
use std::fmt::Write;

use super::{TestReport, TestResult};

/// The report as `JUnit` XML, as continuous integration reads it: one suite for each file of tests.
#[must_use]
pub fn junit(report: &TestReport) -> String {
    let mut suites: BTreeMap<&str, Vec<&TestResult>> = BTreeMap::new();
    for result in &report.results {
        suites.entry(&result.file).or_default().push(result);
    }
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let counts = |results: &[&TestResult]| {
        let failed = results.iter().filter(|result| !result.passed).count();
        let took: f64 = results.iter().map(|result| result.took.as_secs_f64()).sum();
        format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\" time=\"{took:.6}\"", results.len())
    };
    let all: Vec<_> = report.results.iter().collect();
    // Writing to a text can't fail.
    let _ = writeln!(xml, "<testsuites name=\"prov policy test\" {}>", counts(&all));
    for (file, results) in suites {
        let _ = writeln!(xml, "  <testsuite name=\"{}\" {}>", escaped(file), counts(&results));
        for result in results {
            write_case(&mut xml, result);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn write_case(xml: &mut String, result: &TestResult) {
    let _ = write!(
        xml,
        "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.6}\"",
        escaped(&result.name),
        escaped(result.file.rsplit_once('.').map_or(result.file.as_str(), |(stem, _)| stem)),
        escaped(&result.file),
        result.line,
        result.took.as_secs_f64()
    );
    match &result.failure {
        None => xml.push_str("/>\n"),
        Some(failure) => {
            let text = escaped(failure);
            let _ = writeln!(
                xml,
                ">\n      <failure type=\"decision\" message=\"{text}\">{text}</failure>\n    </testcase>"
            );
        }
    }
}

/// Text for an attribute or an element. What XML 1.0 (section 2.2) has no way to write becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\r' | '\t' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_name_is_markup() {
        assert_eq!(escaped("a<b>&\"c\"\u{0}\n"), "a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}&#10;");
    }
}
