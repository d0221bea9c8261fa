use crate::browser::Browser;
use crate::host;
use harness::{Image, Registry, wait_until};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// A web server that says on its log what it serves, and counts.
const COMMAND: &str = "sh -c 'mkdir -p /www; echo hello from gantry > /www/index.html; httpd -p 80 -h /www; \
                       i=0; while true; do i=$((i+1)); echo tick $i; sleep 0.2; done'";

/// Notes every state of the pull that the page shows.
const WATCH_PROGRESS: &str = "
    window.progressShown = [];
    new MutationObserver(() => {
      const task = document.querySelector('[data-testid=\"pull.task.state\"]');
      if (task) window.progressShown.push(task.textContent);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
    return true;";

fn answer(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text).filter(|text| !text.is_empty())
}

/// Passes what comes for the registry on, and its answers at 64 MiB a second: what is seen
/// on the way does not depend on how fast a pull is.
fn at_a_walk(registry: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(&registry) else {
                continue;
            };
            let (Ok(mut asked), Ok(mut ask)) = (client.try_clone(), server.try_clone()) else {
                continue;
            };
            std::thread::spawn(move || std::io::copy(&mut asked, &mut ask));
            std::thread::spawn(move || walk(server, client));
        }
    });
    address
}

fn walk(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 256 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        std::thread::sleep(Duration::from_micros(count as u64 / 64));
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[tokio::test]
async fn from_sign_in_to_a_running_container_and_back() {
    let Some(host) = host().await else { return };
    let Some(registry) = Registry::start() else { return };
    // Incompressible, so that there is something to see on the way.
    let mut noise = vec![0_u8; 128 << 20];
    let mut state = 3_u64;
    for byte in &mut noise {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    let image = Image::busybox().with_files(&[("noise", &noise)]);
    registry.push(&image, "team/web:1").await;
    let name = format!("{}/team/web:1", at_a_walk(registry.address().to_owned()));
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("an address").port();
    drop(free);

    let browser = Browser::open(&host.url(), 1440, 900).await;
    browser.sign_in().await;

    browser.go("/images/pull").await;
    browser.write("pull.form.reference", &name).await;
    browser.script(WATCH_PROGRESS).await;
    browser.click("pull.form.submit").await;
    // Not the word `Done`: a layer has it before the whole.
    browser.find("pull.done.run").await;
    let shown = browser.script("return new Set(window.progressShown).size").await;
    assert!(shown.as_u64() >= Some(3), "the progress moved only {shown} times");

    browser.click("pull.done.run").await;
    browser.write("create.form.name", "story").await;
    browser.write("create.form.command", COMMAND).await;
    browser.write("create.form.memory", "64 MiB").await;
    browser.write("create.form.cpu", "0.5").await;
    browser.click("create.ports.add").await;
    browser.write("create.ports.0.host-port", &port.to_string()).await;
    browser.write("create.ports.0.container-port", "80").await;
    browser.click("create.form.submit").await;

    // The container's page, with a log that moves.
    browser.click("container.tab.logs").await;
    let seen = browser
        .text_until("logs.lines.view", |text| text.contains("tick"))
        .await;
    let last = |text: &str| {
        let numbers = text
            .lines()
            .filter_map(|line| line.rsplit("tick ").next()?.trim().parse::<u32>().ok());
        numbers.max().unwrap_or(0)
    };
    let first = last(&seen);
    browser
        .text_until("logs.lines.view", |text| last(text) > first + 2)
        .await;

    let page = wait_until(Duration::from_secs(10), || answer(port));
    assert!(page.expect("the published port answers").contains("hello from gantry"));

    browser.click("container.tab.console").await;
    browser.click("console.form.open").await;
    browser
        .text_until("console.session.state", |text| text.contains("open"))
        .await;
    browser.type_keys("id\n").await;
    browser
        .text_until("console.terminal.view", |text| text.contains("uid=0(root)"))
        .await;

    browser.click("container.tab.limits").await;
    browser.write("limits.form.memory_bytes", "128 MiB").await;
    browser.click("limits.form.apply").await;
    let id = host.api().inspect("story").await.container.id;
    let changed = wait_until(Duration::from_secs(10), || {
        let held = host.cgroup_file(&id, &["memory.limit_in_bytes", "memory.max"])?;
        (held == "134217728").then_some(())
    });
    assert!(changed.is_some(), "the kernel holds the new limit");

    browser.click("container.head.stop").await;
    confirm_if_asked(&browser).await;
    let stopped = async {
        while host.api().inspect("story").await.container.state.pid.is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), stopped)
        .await
        .expect("it stops");

    browser.go("/containers").await;
    browser.click("containers.row.select").await;
    browser.click("containers.bulk.remove").await;
    confirm_if_asked(&browser).await;
    let gone = async {
        let api = host.api();
        while api.act(reqwest::Method::GET, "/containers/story").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .expect("it is removed");
    browser.close().await;
}

async fn confirm_if_asked(browser: &Browser) {
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asked = browser
        .script("return !!document.querySelector('dialog[open] [data-testid=\"confirm.act\"]')")
        .await;
    if asked == true {
        browser.click("confirm.act").await;
    }
}
