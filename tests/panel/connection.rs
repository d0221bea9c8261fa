use crate::browser::Browser;
use crate::host;

/// A page's file that does not come is said, and nothing else of the panel stops; once it can be
/// had, it is shown. A file that was only late is nothing to speak of.
#[tokio::test]
async fn a_page_that_cannot_be_fetched_is_said_and_tried_again() {
    let Some(host) = host().await else { return };
    let browser = Browser::open(&host.url(), 1440, 900).await;
    browser.sign_in().await;

    browser.refuse(&["*.wasm"]).await;
    browser.click("shell.rail.image").await;
    browser.find("failure.retry").await;
    assert!(
        browser.text().await.contains("This page could not be fetched"),
        "{}",
        browser.text().await
    );
    // What is here already goes on.
    browser.click("shell.rail.fold").await;
    browser.click("shell.rail.fold").await;
    browser.refuse(&[]).await;
    browser.click("failure.retry").await;
    browser.find("images.head.pull").await;

    // Given up only after some seconds: this one is there again before.
    browser.refuse(&["*.wasm"]).await;
    browser.click("shell.rail.volume").await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    browser.refuse(&[]).await;
    browser.find("volumes.head.new").await;
    assert!(!browser.text().await.contains("could not be fetched"));
    browser.close().await;
}
