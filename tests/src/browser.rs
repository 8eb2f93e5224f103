//! A real browser, driven over WebDriver: JSON over HTTP to a `chromedriver` of its own.
//!
//! Shape: [`Browser::open`] -> places, clicks, texts, pictures. A browser and its driver end with the value, however the test ends.
//!
//! Not here: signing in (see the tests of the console), what a page should show.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use angelia_shared::testing::free_port;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::client::http;
use crate::process::{self, Process, Ward};
use crate::wait::{SOON, eventually};

/// Browsers at once: each is some processes, and the machine may have two cores.
static PLACES: Semaphore = Semaphore::const_new(2);
/// How long the driver may take for one command.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);
/// The key under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Flags without which it does not run as root, or talks to the world.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
];

/// What kind of browser.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The language that it asks for.
    pub language: &'static str,
    /// Its window's inner width and height.
    pub size: (u32, u32),
    /// Whether its system is dark.
    pub is_dark: bool,
}

impl Kind {
    /// A window on a desk, in English.
    pub const DESK: Self = Self { language: "en-US", size: (1_280, 900), is_dark: false };
    /// A phone.
    pub const PHONE: Self = Self { size: (390, 800), ..Self::DESK };
}

/// A running browser.
pub struct Browser {
    http: reqwest::Client,
    session: String,
    driver: Process,
    folder: PathBuf,
    _place: Option<SemaphorePermit<'static>>,
}

/// Where a program is: what the environment says, or the first of these names on the PATH.
fn program(setting: &str, names: &[&str]) -> PathBuf {
    if let Some(path) = process::environment(setting) {
        return path.into();
    }
    let path = process::environment("PATH").unwrap_or_default();
    let places = path.split(':').flat_map(|folder| names.iter().map(move |name| Path::new(folder).join(name)));
    let found = places.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no {} on the PATH: tests/run.sh installs it, or {setting} names it", names[0]))
}

static CHROMIUM: LazyLock<PathBuf> =
    LazyLock::new(|| program("ANGELIA_CHROMIUM", &["chromium", "chromium-browser", "google-chrome"]));
static DRIVER: LazyLock<PathBuf> = LazyLock::new(|| program("ANGELIA_CHROMEDRIVER", &["chromedriver"]));

impl Browser {
    /// Opens a browser with a fresh profile.
    ///
    /// # Panics
    /// When there is none, or it does not start.
    pub async fn open(kind: Kind) -> Self {
        let place = PLACES.acquire().await.expect("it is never closed");
        Self::start(kind, Some(place)).await
    }

    /// Opens a browser beside this one, for somebody else. It takes no place of its own: two tests that each waited for a
    /// second place would wait for ever.
    ///
    /// # Panics
    /// As [`open`](Self::open).
    pub async fn beside(&self, kind: Kind) -> Self {
        Self::start(kind, None).await
    }

    async fn start(kind: Kind, place: Option<SemaphorePermit<'static>>) -> Self {
        let folder = tempfile::Builder::new().prefix("angelia-browser-").tempdir().expect("a temporary folder").keep();
        let port = free_port();
        let mut command = process::command(&DRIVER);
        // What a browser that is killed leaves behind goes with the folder.
        command.arg(format!("--port={port}")).env("TMPDIR", &folder);
        let ward = Ward { broker_pid_file: folder.join("none"), folder: folder.clone() };
        let driver = Process::start(command, &folder.join("driver.log"), &ward);
        let (http, base) = (http(), format!("http://127.0.0.1:{port}"));
        eventually("the browser's driver answers", SOON, async || {
            let answer = http.get(format!("{base}/status")).timeout(Duration::from_secs(2)).send().await;
            answer.map(|_| ()).map_err(|error| format!("{error}; {}", process::read(&folder.join("driver.log"))))
        })
        .await;
        let session = session(&http, &base, kind, &folder).await;
        let browser = Self { http, session, driver, folder, _place: place };
        browser.emulate(kind).await;
        browser
    }

    /// Sets the inner size and the system's colours, which flags do not.
    async fn emulate(&self, kind: Kind) {
        let (width, height) = kind.size;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = if kind.is_dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    async fn devtools(&self, method: &str, params: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": method, "params": params})).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.try_post(path, body).await.unwrap_or_else(|said| panic!("the browser's driver refused {path}: {said}"))
    }

    async fn try_post(&self, path: &str, body: Value) -> Result<Value, String> {
        command(&self.http, &format!("{}{path}", self.session), Some(body)).await
    }

    /// Goes to a place and waits until it is loaded.
    pub async fn go(&self, url: &str) {
        self.post("/url", json!({"url": url})).await;
    }

    /// The place that is shown.
    pub async fn place(&self) -> String {
        self.run("return location.href", json!([])).await.as_str().unwrap_or_default().to_owned()
    }

    /// Runs a script's function body in the page; gives what it returns.
    pub async fn run(&self, script: &str, arguments: Value) -> Value {
        self.post("/execute/sync", json!({"script": script, "args": arguments})).await
    }

    /// Runs a script that calls its last argument when it is done.
    pub async fn run_to_end(&self, script: &str) -> Value {
        self.post("/execute/async", json!({"script": script, "args": []})).await
    }

    async fn element(&self, selector: &str) -> Result<String, String> {
        let found = self.try_post("/element", json!({"using": "css selector", "value": selector})).await?;
        found[ELEMENT].as_str().map(str::to_owned).ok_or_else(|| found.to_string())
    }

    /// Waits until an element is there and clicks it.
    ///
    /// # Panics
    /// When it cannot be clicked.
    pub async fn click(&self, selector: &str) {
        eventually(&format!("{selector} can be clicked"), SOON, async || {
            let element = self.element(selector).await?;
            self.try_post(&format!("/element/{element}/click"), json!({})).await.map(|_| ())
        })
        .await;
    }

    /// Types into a field, after what is in it was removed.
    ///
    /// # Panics
    /// When it cannot be typed into.
    pub async fn fill(&self, selector: &str, text: &str) {
        eventually(&format!("{selector} can be filled"), SOON, async || {
            let element = self.element(selector).await?;
            self.try_post(&format!("/element/{element}/clear"), json!({})).await?;
            self.try_post(&format!("/element/{element}/value"), json!({"text": text})).await.map(|_| ())
        })
        .await;
    }

    /// Presses keys, as WebDriver names them, wherever the focus is.
    pub async fn keys(&self, keys: &[&str]) {
        let presses = keys.iter().flat_map(|key| [("keyDown", key), ("keyUp", key)]);
        let presses: Vec<_> = presses.map(|(kind, key)| json!({"type": kind, "value": key})).collect();
        self.post("/actions", json!({"actions": [{"type": "key", "id": "keys", "actions": presses}]})).await;
    }

    /// The text of an element as it is shown; none when it is not there.
    pub async fn text(&self, selector: &str) -> Option<String> {
        let script = "return document.querySelector(arguments[0])?.innerText ?? null";
        self.run(script, json!([selector])).await.as_str().map(str::to_owned)
    }

    /// Waits until an element's text contains `part`; gives the text.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn sees(&self, selector: &str, part: &str) -> String {
        eventually(&format!("{selector} says {part:?}"), SOON, async || {
            let text = self.text(selector).await.unwrap_or_default();
            if text.contains(part) { Ok(text) } else { Err(text) }
        })
        .await
    }

    /// Waits until a script's function body returns something true.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn until(&self, what: &str, script: &str) {
        eventually(what, SOON, async || {
            let found = self.run(script, json!([])).await;
            if found == json!(true) { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
    }

    /// Opens another tab and goes on there; gives the one before.
    pub async fn new_tab(&self) -> String {
        let before = command(&self.http, &format!("{}/window", self.session), None).await.expect("a tab is open");
        let tab = self.post("/window/new", json!({"type": "tab"})).await;
        self.post("/window", json!({"handle": tab["handle"]})).await;
        before.as_str().unwrap_or_default().to_owned()
    }

    /// Goes on in a tab.
    pub async fn to_tab(&self, tab: &str) {
        self.post("/window", json!({"handle": tab})).await;
    }

    /// Cookies of the page's place, script or not.
    pub async fn cookies(&self) -> Value {
        command(&self.http, &format!("{}/cookie", self.session), None).await.expect("cookies can be listed")
    }

    /// Takes a picture of the whole page, as `target/screenshots/{name}.png`.
    ///
    /// # Panics
    /// When it cannot be stored.
    pub async fn picture(&self, name: &str) {
        use base64::Engine as _;
        let body = json!({"cmd": "Page.captureScreenshot", "params": {"captureBeyondViewport": true}});
        // A page that is not laid out yet has no width.
        let shot =
            eventually("a picture can be taken", SOON, async || self.try_post("/goog/cdp/execute", body.clone()).await)
                .await;
        let data = shot["data"].as_str().expect("a picture has data");
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).expect("a picture is base 64");
        let folder = target().join("screenshots");
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        std::fs::write(folder.join(format!("{name}.png")), bytes).expect("the picture can be stored");
    }

    /// What the console of the browser holds since the last look: errors, warnings, violations of the page's policy.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({"type": "browser"})).await;
        let entries = entries.as_array().cloned().unwrap_or_default();
        let counts = |entry: &Value| entry["level"] == "SEVERE" || entry["level"] == "WARNING";
        entries.into_iter().filter(counts).map(|entry| entry["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver's group holds the browser's processes.
        self.driver.kill_group();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The folder that builds go to.
///
/// # Panics
/// When the test binary lies elsewhere.
pub fn target() -> PathBuf {
    let binary = std::env::current_exe().expect("a running program has a path");
    let target = binary.ancestors().find(|folder| folder.ends_with("target")).map(Path::to_path_buf);
    target.unwrap_or_else(|| binary.parent().expect("a program is in a folder").to_path_buf())
}

async fn session(http: &reqwest::Client, base: &str, kind: Kind, folder: &Path) -> String {
    let (width, height) = kind.size;
    let mut flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
    flags.push(format!("--user-data-dir={}", folder.join("profile").display()));
    flags.push(format!("--window-size={width},{height}"));
    flags.push(format!("--lang={}", kind.language));
    let options = json!({
        "binary": &*CHROMIUM, "args": flags, "prefs": {"intl.accept_languages": kind.language},
    });
    let wanted = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
    let made = command(http, &format!("{base}/session"), Some(json!({"capabilities": {"alwaysMatch": wanted}}))).await;
    let made = made.unwrap_or_else(|said| panic!("the browser does not start: {said}"));
    format!("{base}/session/{}", made["sessionId"].as_str().expect("a session has an id"))
}

async fn command(http: &reqwest::Client, url: &str, body: Option<Value>) -> Result<Value, String> {
    let request = match &body {
        Some(body) => http.post(url).json(body),
        None => http.get(url),
    };
    let answer = request.timeout(COMMAND_WITHIN).send().await.map_err(|error| format!("{error:?}"))?;
    let is_done = answer.status().is_success();
    let mut said: Value = answer.json().await.map_err(|error| format!("{error:?}"))?;
    if is_done { Ok(said["value"].take()) } else { Err(said["value"]["message"].to_string()) }
}
