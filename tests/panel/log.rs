use crate::browser::Browser;
use crate::host;
use harness::Host;
use shared::create::NewContainer;

/// A container that has written what a shell script writes.
async fn run(host: &Host, name: &str, script: &str) {
    let new = NewContainer {
        image: "busybox".to_owned(),
        name: Some(name.to_owned()),
        command: Some(["sh", "-c", script].map(str::to_owned).to_vec()),
        start: true,
        ..NewContainer::default()
    };
    host.api().create(&new).await.expect("it runs");
}

/// The numbers of the rows in view, in the order of the document.
const ROWS: &str = "[...document.querySelectorAll('.log-view__row:not([hidden])')].map((row) => +row.dataset.seq)";

fn click_number(seq: u64, shift: bool) -> String {
    format!(
        "document.querySelector('[data-seq=\"{seq}\"] .log-view__number')
           .dispatchEvent(new MouseEvent('click', {{ bubbles: true, shiftKey: {shift} }}));"
    )
}

#[tokio::test]
async fn all_chosen_lines_are_copied_also_those_that_are_not_loaded() {
    let Some(host) = host().await else { return };
    run(&host, "many", "seq 1 30000").await;
    host.api().wait("many").await;
    let browser = Browser::open(&host.url(), 1440, 900).await;
    browser.sign_in().await;
    browser.go("/containers/many/logs").await;
    browser
        .text_until("logs.lines.view", |text| text.contains("30000"))
        .await;
    browser
        .script("navigator.clipboard.writeText = async (text) => { window.copied = text; };")
        .await;
    browser.drag_down("logs.scrollbar.drag", 0.98, 0.0).await;
    browser
        .until("the first lines", &format!("return {ROWS}.includes(7)"))
        .await;
    browser.script(&click_number(7, false)).await;
    browser.drag_down("logs.scrollbar.drag", 0.0, 1.0).await;
    browser
        .until("the last lines", &format!("return {ROWS}.includes(29999)"))
        .await;
    browser.script(&click_number(29_999, true)).await;
    browser.click("logs.chosen.copy").await;
    browser
        .text_until("logs.chosen.copied", |text| {
            text.replace('\u{202f}', "") == "Copied 29993 lines"
        })
        .await;
    let copied = browser.script("return window.copied").await;
    let lines: Vec<&str> = copied.as_str().expect("text").split('\n').collect();
    assert_eq!((lines.len(), lines[0], lines[29_992]), (29_993, "7", "29999"));

    // Rows that are used again stay in the order they are read in.
    browser
        .find("logs.lines.view")
        .await
        .focus()
        .await
        .expect("it takes keys");
    for key in ["\u{e00e}", "k", "k", "k", "\u{e00f}", "j", "j", "\u{e00e}", "k"] {
        browser.type_keys(key).await;
        browser
            .until(
                "rows in order",
                &format!("const rows = {ROWS}; return rows.length > 10 && rows.every((row, at) => at === 0 || rows[at - 1] < row)"),
            )
            .await;
    }
    browser.close().await;
}

#[tokio::test]
async fn every_hit_is_reached_and_the_newest_comes_first() {
    let Some(host) = host().await else { return };
    run(&host, "hits", "seq 1 1000000").await;
    host.api().wait("hits").await;
    let browser = Browser::open(&host.url(), 1440, 900).await;
    browser.sign_in().await;
    browser.go("/containers/hits/logs").await;
    browser
        .text_until("logs.lines.view", |text| text.contains("1000000"))
        .await;
    // Seven digits fit beside the lines.
    browser
        .until(
            "room for the numbers",
            "return [...document.querySelectorAll('.log-view__number')].every((cell) => cell.scrollWidth <= cell.clientWidth)",
        )
        .await;
    let body = "document.activeElement.blur(); document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '/', bubbles: true }));";
    browser.script(body).await;
    browser.type_keys("c").await;
    browser.text_until("logs.search.count", |text| text == "no hit").await;
    browser.write("logs.search.text", "7").await;
    let count = |text: &str| text.replace(['\u{202f}', ' '], "");
    // All numbers below a million that have a seven.
    let all = 1_000_000 - 9_u32.pow(6);
    browser
        .text_until("logs.search.count", |text| count(text) == format!("{all}of{all}"))
        .await;
    browser
        .until("the newest hit", &format!("return {ROWS}.includes(999997)"))
        .await;
    browser.click("logs.search.next").await;
    browser
        .text_until("logs.search.count", |text| count(text) == format!("1of{all}"))
        .await;
    browser
        .until("the first hit", &format!("return {ROWS}.includes(7)"))
        .await;
    browser.click("logs.search.previous").await;
    browser
        .until("the last hit", &format!("return {ROWS}.includes(999997)"))
        .await;
    // Only hits, and one in the middle of them.
    browser.click("logs.search.only").await;
    browser.drag_down("logs.scrollbar.drag", 0.98, 0.5).await;
    browser
        .until(
            "hits alone",
            &format!("const rows = {ROWS}; return rows.length > 10 && rows.every((row) => String(row).includes('7') && row > 300000 && row < 800000)"),
        )
        .await;
    browser.close().await;
}

#[tokio::test]
async fn a_run_that_begins_while_following_is_marked_in_the_chosen_time() {
    let Some(host) = host().await else { return };
    run(&host, "twice", "echo up; exec sleep 600").await;
    let browser = Browser::open(&host.url(), 1440, 900).await;
    browser.sign_in().await;
    browser.go("/containers/twice/logs").await;
    browser
        .text_until("logs.lines.view", |text| text.contains("Started, run 1"))
        .await;
    let restarted = host.docker().post("/containers/twice/restart?t=0").await;
    assert_eq!(restarted.0, 204, "{}", restarted.1);
    let marked = "return document.querySelector('.log-view__lines').textContent.includes('Started, run 2')";
    browser.until("the mark of the second run", marked).await;
    browser
        .script(
            "const times = document.querySelector('[data-testid=\"logs.times.select\"]');
             times.value = 'utc'; times.dispatchEvent(new Event('change', { bubbles: true }));",
        )
        .await;
    let marks = "[...document.querySelectorAll('.log-view__mark:not([hidden])')].map((mark) => mark.textContent)";
    browser
        .until(
            "marks in UTC",
            &format!(
                "const marks = {marks}; return marks.length === 2 && marks.every((mark) => mark.includes(' UTC'))"
            ),
        )
        .await;
    browser.close().await;
}

#[tokio::test]
async fn a_million_lines_open_at_the_end_and_are_dragged_to_the_middle() {
    let Some(host) = host().await else { return };
    let api = host.api();
    let new = NewContainer {
        image: "busybox".to_owned(),
        name: Some("big".to_owned()),
        command: Some(["seq", "1", "1000000"].map(str::to_owned).to_vec()),
        start: true,
        ..NewContainer::default()
    };
    api.create(&new).await.expect("it runs");
    assert_eq!(api.wait("big").await.exit_code, 0);

    let browser = Browser::open(&host.url(), 1440, 900).await;
    browser.sign_in().await;
    browser.go("/containers/big/logs").await;
    browser
        .text_until("logs.lines.view", |text| text.contains("1000000"))
        .await;
    browser.drag_down("logs.scrollbar.drag", 0.98, 0.5).await;
    let numbers = |text: &str| -> Vec<u64> {
        let words = text
            .split_whitespace()
            .filter_map(|word| word.replace(['\u{202f}', ',', ' '], "").parse().ok());
        words.filter(|number| *number > 100_000).collect()
    };
    let seen = browser
        .text_until("logs.lines.view", |text| {
            numbers(text).iter().any(|number| (400_000..600_000).contains(number))
        })
        .await;
    // Neighbours, not a gap: what is shown are lines that follow each other.
    let mut shown = numbers(&seen);
    shown.retain(|number| (400_000..600_000).contains(number));
    shown.sort_unstable();
    shown.dedup();
    assert!(
        shown.len() > 10 && shown.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{shown:?}"
    );
    // And back to the very first.
    browser.drag_down("logs.scrollbar.drag", 0.5, 0.0).await;
    browser
        .text_until("logs.lines.view", |text| text.lines().any(|line| line == "1"))
        .await;
    browser.close().await;
}
