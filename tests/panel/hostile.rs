use crate::browser::Browser;
use crate::host;
use shared::create::{EnvEntry, NewContainer};

/// A picture that cannot be had runs what its page says, where that is taken as HTML.
const PICTURE: &str = "<img src=x onerror=\"window.taken=1\"><script>window.taken=1</script>";

/// What is on a page that only such text could have made.
const FOREIGN: &str = "
    const own = new Set(performance.getEntriesByType('resource').map(entry => entry.name));
    return {
        taken: window.taken ?? 0,
        pictures: document.querySelectorAll('img[src=\"x\"]').length,
        scripts: [...document.scripts].filter(script => script.textContent.includes('taken')).length,
        links: document.querySelectorAll('a[href^=\"javascript:\" i], a[href*=\"evil.example\"]').length,
        title: document.title.includes('stolen'),
        asked: [...own].filter(name => name.endsWith('/x') || name.includes('evil.example')).length,
    };";

/// Lines, names, labels and variables are a container's own words. They are shown, and
/// are neither HTML nor orders to a terminal.
#[tokio::test]
async fn what_a_container_says_is_shown_and_not_obeyed() {
    let Some(host) = host().await else { return };
    let api = host.api();
    // A title, a link, and a screen that is wiped before the last line.
    let line = "printf '%s\\n' \"$WORDS\"; printf '\\033]0;stolen\\007'; \
                printf '\\033]8;;javascript:window.taken=1\\007here\\033]8;;\\007\\n'; \
                printf '\\033]8;;http://evil.example/\\007there\\033]8;;\\007\\n'; \
                printf '\\033[2J\\033[1;1Hlast of all\\n'; exec sleep 1000";
    let new = NewContainer {
        image: "busybox".to_owned(),
        name: Some("hostile".to_owned()),
        command: Some(["sh", "-c", line].map(str::to_owned).to_vec()),
        env: vec![EnvEntry {
            name: "WORDS".to_owned(),
            value: PICTURE.to_owned(),
        }],
        labels: [("says".to_owned(), PICTURE.to_owned())].into(),
        start: true,
        ..NewContainer::default()
    };
    api.create(&new).await.expect("it runs");

    let browser = Browser::open(&host.url(), 1440, 900).await;
    browser.sign_in().await;
    let unharmed = async |place: &str| {
        let found = browser.script(FOREIGN).await;
        let found = found.as_object().expect("an object");
        let harm = found
            .iter()
            .find(|(_, value)| !matches!(value.as_u64(), Some(0)) && value.as_bool() != Some(false));
        assert_eq!(harm, None, "on {place}");
    };
    browser.go("/containers/hostile/logs").await;
    let seen = browser
        .text_until("logs.lines.view", |text| text.contains("last of all"))
        .await;
    assert!(seen.contains(PICTURE), "the line is not shown as it is: {seen}");
    assert!(seen.contains("here") && seen.contains("there"), "{seen}");
    unharmed("the log").await;
    for page in ["", "/inspect", "/events", "/files", "/settings", "/console"] {
        browser.go(&format!("/containers/hostile{page}")).await;
        browser.find("shell.user.menu").await;
        unharmed(page).await;
    }
    browser.go("/containers").await;
    browser.find("shell.user.menu").await;
    unharmed("the list").await;
    // The terminal hears everything: it may set no title, and its links go nowhere.
    browser.go("/containers/hostile/console").await;
    browser.find("shell.user.menu").await;
    unharmed("the console").await;
    // The look itself: it finds what such text would make.
    let put = format!(
        "document.body.insertAdjacentHTML('beforeend', `{}`)",
        PICTURE.replace('`', "")
    );
    browser.script(&put).await;
    let found = browser.script(FOREIGN).await;
    assert!(found["pictures"] == 1 && found["scripts"] == 1, "{found}");
    browser.close().await;
}
