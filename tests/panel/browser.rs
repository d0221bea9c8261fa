use harness::{PASSWORD, USER, wait_until};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use thirtyfour::prelude::*;

/// Everything a person waits for comes within this time, even on a slow machine.
const LIMIT: Duration = Duration::from_secs(30);

/// What a page says in its console of what went wrong, for a test that fails.
const KEEP_COMPLAINTS: &str = "window.complaints = [];
const say = console.error;
console.error = (...words) => { complaints.push(words.map(String).join(' ')); say(...words); };
addEventListener('error', event => complaints.push(event.message));
addEventListener('unhandledrejection', event => complaints.push(String(event.reason)));";

pub(crate) fn is_there() -> bool {
    let found = Command::new("chromedriver")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        println!("skipped: needs chromium and chromedriver");
    }
    found
}

/// A browser of its own, without a window.
pub(crate) struct Browser {
    driver: WebDriver,
    base: String,
    process: Child,
}

impl Browser {
    pub(crate) async fn open(base: &str, width: u32, height: u32) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Its browsers belong to the group, and end with it.
            .process_group(0)
            .spawn()
            .expect("chromedriver starts");
        let up = wait_until(Duration::from_secs(15), || TcpStream::connect(("127.0.0.1", port)).ok());
        assert!(up.is_some(), "chromedriver does not listen");
        let mut wishes = DesiredCapabilities::chrome();
        for switch in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            &format!("--window-size={width},{height}"),
        ] {
            wishes.add_arg(switch).expect("a switch");
        }
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), wishes)
            .await
            .expect("the browser starts");
        driver
            .cdp()
            .send_raw(
                "Page.addScriptToEvaluateOnNewDocument",
                serde_json::json!({ "source": KEEP_COMPLAINTS }),
            )
            .await
            .expect("the page's complaints are kept");
        Self {
            driver,
            base: base.to_owned(),
            process,
        }
    }

    pub(crate) async fn close(self) {
        let _ = self.driver.clone().quit().await;
    }

    pub(crate) async fn go(&self, path: &str) {
        self.driver
            .goto(format!("{}{path}", self.base))
            .await
            .expect("the page loads");
    }

    /// Fetches nothing from addresses of these shapes from now on.
    pub(crate) async fn refuse(&self, addresses: &[&str]) {
        let cdp = self.driver.cdp();
        cdp.send_raw("Network.enable", serde_json::json!({}))
            .await
            .expect("its network is watched");
        cdp.send_raw("Network.setBlockedURLs", serde_json::json!({ "urls": addresses }))
            .await
            .expect("its network obeys");
    }

    pub(crate) async fn sign_in(&self) {
        self.go("/").await;
        self.write("sign-in.form.name", USER).await;
        self.write("sign-in.form.password", PASSWORD).await;
        self.click("sign-in.form.submit").await;
        self.find("shell.user.menu").await;
    }

    /// The first visible element of that name.
    pub(crate) async fn find(&self, testid: &str) -> WebElement {
        let end = Instant::now() + LIMIT;
        loop {
            let all = self.driver.find_all(By::Css(format!("[data-testid='{testid}']"))).await;
            for element in all.unwrap_or_default() {
                if element.is_displayed().await.unwrap_or(false) {
                    return element;
                }
            }
            if Instant::now() >= end {
                let page = self.text().await;
                // Why the panel stopped, if it did, is folded away, or only in the console.
                let why = self
                    .script("return [document.querySelector('#stopped pre').textContent, ...window.complaints]")
                    .await;
                panic!("there is no `{testid}` on the page:\n{page}\n{why:#}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Elements come anew while a page lives, so an action is tried until it is done.
    async fn act(&self, testid: &str, act: impl AsyncFn(WebElement) -> WebDriverResult<()>) {
        let end = Instant::now() + LIMIT;
        loop {
            let element = self.find(testid).await;
            let _ = element.scroll_into_view().await;
            match act(element).await {
                Ok(()) => return,
                Err(error) => assert!(Instant::now() < end, "`{testid}`: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn click(&self, testid: &str) {
        self.act(testid, async |element| element.click().await).await;
    }

    /// Writes into a field, in place of what is there.
    pub(crate) async fn write(&self, testid: &str, text: &str) {
        self.act(testid, async |element| {
            element.send_keys(Key::Control + "a").await?;
            element.send_keys(text).await
        })
        .await;
    }

    /// Types into whatever has the focus, such as the terminal.
    pub(crate) async fn type_keys(&self, text: &str) {
        let focused = self.driver.active_element().await.expect("something has the focus");
        focused.send_keys(text).await.expect("it takes keys");
    }

    pub(crate) async fn text(&self) -> String {
        let body = self.driver.find(By::Tag("body")).await.expect("a page");
        body.text().await.unwrap_or_default()
    }

    pub(crate) async fn text_of(&self, testid: &str) -> String {
        self.find(testid).await.text().await.unwrap_or_default()
    }

    /// Waits until the element's text is as `wanted`, and gives it.
    pub(crate) async fn text_until(&self, testid: &str, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let text = self.text_of(testid).await;
            if wanted(&text) {
                return text;
            }
            assert!(Instant::now() < end, "`{testid}` stays so: {text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn cookie(&self, name: &str) -> String {
        self.driver
            .get_named_cookie(name)
            .await
            .expect("the cookie is there")
            .value
    }

    /// Gives the page another size.
    #[allow(dead_code, reason = "for the test of the layout")]
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let size = serde_json::json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        let cdp = self.driver.cdp();
        let set = cdp.send_raw("Emulation.setDeviceMetricsOverride", size);
        set.await.expect("the page has another size");
    }

    /// Keeps a picture of what is seen.
    #[allow(dead_code, reason = "for the test of the layout")]
    pub(crate) async fn picture(&self, file: &std::path::Path) {
        self.driver.screenshot(file).await.expect("a picture");
    }

    /// Runs a script in the page; its answer as JSON.
    pub(crate) async fn script(&self, code: &str) -> serde_json::Value {
        let answer = self.driver.execute(code, Vec::new()).await.expect("the script runs");
        answer.json().clone()
    }

    /// Runs a script that calls its last argument with its answer.
    pub(crate) async fn script_until_done(&self, code: &str, arguments: Vec<serde_json::Value>) -> serde_json::Value {
        let limit = TimeoutConfiguration::new(Some(4 * LIMIT), None, None);
        self.driver.update_timeouts(limit).await.expect("it waits");
        let answer = self
            .driver
            .execute_async(code, arguments)
            .await
            .expect("the script runs");
        answer.json().clone()
    }

    /// Waits until a script answers true.
    pub(crate) async fn until(&self, what: &str, code: &str) {
        let end = Instant::now() + LIMIT;
        while self.script(code).await != serde_json::Value::Bool(true) {
            if Instant::now() >= end {
                let complaints = self.script("return window.complaints").await;
                panic!("waited too long for {what}:\n{}\n{complaints:#}", self.text().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Presses at the element's middle and lets go elsewhere on it: shares of its
    /// height from the top.
    pub(crate) async fn drag_down(&self, testid: &str, from: f64, to: f64) {
        let element = self.find(testid).await;
        let place = element.rect().await.expect("it has a place");
        let x = place.x + place.width / 2.0;
        let y = |share: f64| place.y + place.height * share;
        #[expect(clippy::cast_possible_truncation, reason = "places on a screen")]
        let point = |value: f64| value.round() as i64;
        let moves = self.driver.action_chain();
        moves
            .move_to(point(x), point(y(from)))
            .click_and_hold()
            .move_to(point(x), point(y(f64::midpoint(from, to))))
            .move_to(point(x), point(y(to)))
            .release()
            .perform()
            .await
            .expect("the mouse moves");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Else it would ask the driver to close, again and again, after that is gone.
        let _ = self.driver.clone().leak();
        harness::signal_group(self.process.id(), "KILL");
        let _ = self.process.wait();
    }
}
