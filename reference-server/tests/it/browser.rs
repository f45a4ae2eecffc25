//! Chromium, driven by `chromedriver` (W3C `WebDriver`), with an authenticator of its own.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::Client;
use crate::tools::tool;

/// How long a page may take for what was asked of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// One browser, ended when dropped.
pub(crate) struct Browser {
    driver: Child,
    /// Kept open: the driver ends when nobody hears it.
    _says: Lines<BufReader<ChildStdout>>,
    client: Client,
    session: String,
}

impl Browser {
    /// A browser, or `None` with a visible line where there is none.
    pub(crate) fn start() -> Option<Self> {
        let program = tool("/usr/bin/chromedriver")?;
        let binary = tool("/usr/bin/chromium")?;
        let mut driver = Command::new(program)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("successfully on port ")?
                    .1
                    .trim_end_matches('.')
                    .parse::<u16>()
                    .ok()
            })
            .unwrap();
        let client = Client::new(&format!("http://127.0.0.1:{port}"));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "webauthn:virtualAuthenticators": true,
            "goog:chromeOptions": {
                "binary": binary,
                "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
            },
        } } });
        let session = client.post("/session", &wanted).expect(200);
        let session = session["value"]["sessionId"].as_str().unwrap().to_owned();
        Some(Self { driver, _says: lines, client, session })
    }

    #[track_caller]
    fn command(&self, method: &Method, path: &str, body: Option<&Value>) -> Value {
        let path = format!("/session/{}/{path}", self.session);
        self.client.send(method, &path, body).expect(200)["value"].take()
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        self.command(&Method::POST, path, Some(body))
    }

    /// Plugs in an authenticator that verifies its user and keeps credentials.
    pub(crate) fn plug_in(&self) -> String {
        let authenticator = json!({
            "protocol": "ctap2_1", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserConsenting": true, "isUserVerified": true,
        });
        self.post("webauthn/authenticator", &authenticator).as_str().unwrap().to_owned()
    }

    /// Whether its user is recognised from now on.
    pub(crate) fn recognise(&self, authenticator: &str, verified: bool) {
        let path = format!("webauthn/authenticator/{authenticator}/uv");
        self.post(&path, &json!({ "isUserVerified": verified }));
    }

    /// The credentials in it.
    pub(crate) fn credentials(&self, authenticator: &str) -> Vec<Value> {
        let path = format!("webauthn/authenticator/{authenticator}/credentials");
        self.command(&Method::GET, &path, None).as_array().unwrap().clone()
    }

    /// Puts a credential into it, in place of the one with the same id.
    pub(crate) fn replace(&self, authenticator: &str, credential: &Value) {
        let id = credential["credentialId"].as_str().unwrap();
        let path = format!("webauthn/authenticator/{authenticator}");
        self.command(&Method::DELETE, &format!("{path}/credentials/{id}"), None);
        self.post(&format!("{path}/credential"), credential);
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// Runs a script in the page.
    pub(crate) fn run(&self, script: &str, arguments: &Value) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// Clicks what the selector finds, as a person would.
    pub(crate) fn click(&self, selector: &str) {
        let found = self.post("element", &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap();
        self.post(&format!("element/{id}/click"), &json!({}));
    }

    /// Waits until a script of the page, whichever it is then, gives this text.
    pub(crate) fn wait_for(&self, script: &str, wanted: &str) {
        let began = Instant::now();
        while self.run(script, &json!([])) != wanted {
            assert!(began.elapsed() < PATIENCE, "still not `{wanted}`: {}", self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a person reads on the page.
    pub(crate) fn text(&self) -> String {
        let text = self.run("return document.body.innerText", &json!([]));
        text.as_str().unwrap().to_owned()
    }

    /// Types into what the selector finds.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        self.run(
            "document.querySelector(arguments[0]).value = arguments[1]",
            &json!([selector, text]),
        );
    }

    /// Waits until the page has told how something ended: whether it was done, and what it says.
    pub(crate) fn outcome(&self) -> (String, String) {
        let began = Instant::now();
        loop {
            let result = "const r = document.getElementById('result'); \
                          return [r.dataset.state ?? '', r.textContent]";
            let told = self.run(result, &json!([]));
            let text = |at: usize| told[at].as_str().unwrap().to_owned();
            if ["done", "refused"].contains(&&*text(0)) {
                return (text(0), text(1));
            }
            assert!(began.elapsed() < PATIENCE, "the page says nothing: {told}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the page looks like, as PNG.
    pub(crate) fn screenshot(&self) -> Vec<u8> {
        let picture = self.command(&Method::GET, "screenshot", None);
        STANDARD.decode(picture.as_str().unwrap()).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser; the driver has to be told beside.
        let path = format!("/session/{}", self.session);
        let _ = self.client.try_send(&Method::DELETE, &path, None, &[]);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
