//! `exec --user` and an image's `USER`, in files that the image brings: three parts
//! separated by zero bytes. Odd words never become root (CVE-2026-30892).

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.splitn(3, '\0');
    let mut part = || parts.next().unwrap_or_default();
    let (word, passwd, group) = (part(), part(), part());
    let Some((uid, gid)) = runtime::fuzz::user(word, passwd, group) else {
        return;
    };
    assert!(
        uid < i32::MAX as u32 && gid < i32::MAX as u32,
        "{uid}:{gid} means no change to some"
    );
    let name = word.split(':').next().unwrap_or_default();
    let is_zero = name.is_empty() || name.bytes().all(|byte| byte == b'0');
    // A name is root only where the image says so itself.
    let named = passwd.lines().any(|line| line.split(':').next() == Some(name));
    assert!(uid != 0 || is_zero || named, "`{word}` became root");
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        assert_eq!(name.parse(), Ok(uid), "a number is that number");
    }
}
