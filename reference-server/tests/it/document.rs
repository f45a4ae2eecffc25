//! The `OpenAPI` document as the list of everything that can be asked.

use serde_json::Value;
use ureq::http::Method;

use crate::client::Client;

/// One operation of the document.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// With `{name}` for parameters.
    pub(crate) path: String,
    /// Whether it says that no token is needed.
    pub(crate) public: bool,
    /// The media type of the body, if it takes one.
    pub(crate) body: Option<String>,
    /// The parameters in the query.
    pub(crate) query: Vec<String>,
}

impl Operation {
    /// `POST /api/v1/users`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The path with this text for every parameter.
    pub(crate) fn path_with(&self, value: &str) -> String {
        let mut path = self.path.clone();
        while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
            path.replace_range(from..=to, value);
        }
        path
    }

    pub(crate) fn has_parameter(&self) -> bool {
        self.path.contains('{')
    }

    /// Whether it changes something.
    pub(crate) fn writes(&self) -> bool {
        [Method::POST, Method::PUT, Method::PATCH].contains(&self.method)
    }
}

/// Every operation, by path and method.
pub(crate) fn operations(nobody: &Client) -> Vec<Operation> {
    let document = nobody.get("/api/openapi.json").expect(200);
    let paths = document["paths"].as_object().unwrap();
    let all: Vec<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .iter()
                .map(|(method, operation)| read(path, method, operation))
        })
        .collect();
    assert!(all.len() > 80, "the document is there: {}", all.len());
    all
}

fn read(path: &str, method: &str, operation: &Value) -> Operation {
    let content = operation["requestBody"]["content"].as_object();
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    Operation {
        method: method.to_uppercase().parse().unwrap(),
        path: path.to_owned(),
        public: operation["security"] == Value::Array(Vec::new()),
        body: content.and_then(|content| content.keys().next().cloned()),
        query: parameters
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
            .collect(),
    }
}
