use crate::browser::Browser;
use crate::host;
use shared::create::NewContainer;

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
