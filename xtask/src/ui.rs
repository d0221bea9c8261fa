//! The panel's bundle: `web/dist/index.html` and `web/dist/assets/<hash>/…`,
//! each text file with its brotli and gzip form beside it.

use crate::process::{command, run};
use crate::{wasm, workspace};
use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Modules taken from npm's packages, and the names the bundle gives them.
const VENDOR: [(&str, &str); 5] = [
    ("@xterm/xterm/lib/xterm.mjs", "xterm.mjs"),
    ("@xterm/xterm/css/xterm.css", "xterm.css"),
    ("@xterm/xterm/LICENSE", "xterm.LICENSE.txt"),
    ("@xterm/addon-fit/lib/addon-fit.mjs", "addon-fit.mjs"),
    ("@xterm/addon-fit/LICENSE", "addon-fit.LICENSE.txt"),
];
/// What `index.html` says where the assets' folder belongs.
const PLACEHOLDER: &str = "{{assets}}";
const STAMP: &str = ".stamp";
/// Smaller files are not worth a compressed form.
const COMPRESS_FROM: usize = 1024;

/// What the bundle is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// As small as can be: for hosts, and for the tests.
    Release,
    /// Quick to build again: for `cargo xtask run`.
    Quick,
    /// Not compressed, with more checks.
    Dev,
}

impl Purpose {
    fn profile(self) -> &'static str {
        match self {
            Self::Release => "wasm",
            Self::Quick => "wasm-quick",
            Self::Dev => "wasm-dev",
        }
    }

    /// Of brotli: 11 is the best, and 20 times slower than 5.
    fn brotli_quality(self) -> Option<i32> {
        match self {
            Self::Release => Some(11),
            Self::Quick => Some(5),
            Self::Dev => None,
        }
    }
}

/// Builds the panel into `web/dist`, unless nothing changed since the last time.
pub(crate) fn build(purpose: Purpose) -> Result<()> {
    let web = workspace::root().join("web");
    let wasm_file = wasm::compile(purpose.profile())?;
    bring_vendor(&web)?;
    let styles = style_sheets(&web)?;
    let mut scripts = files_below(&web.join("js"), "js")?;
    scripts.extend(files_below(&web.join("js"), "svg")?);
    let index = web.join("index.html");

    let mut hash = Sha256::new();
    let vendor = VENDOR.iter().map(|(from, _)| web.join("node_modules").join(from));
    let tool = std::env::current_exe().context("this tool's own path")?;
    for file in styles
        .iter()
        .chain(&scripts)
        .cloned()
        .chain(vendor)
        .chain([index.clone(), wasm_file.clone(), tool])
    {
        hash.update(file.to_string_lossy().as_bytes());
        hash.update(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    hash.update(purpose.profile());
    let stamp = hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let dist = web.join("dist");
    if fs::read_to_string(dist.join(STAMP)).is_ok_and(|old| old == stamp) {
        return check_first_load(&dist, purpose);
    }

    // Made under another name and renamed when whole.
    let new = web.join("dist.tmp");
    let _ = fs::remove_dir_all(&new);
    let assets = new.join("assets").join(&stamp);
    fs::create_dir_all(assets.join("vendor"))?;
    bind(&wasm_file, &assets)?;
    for (from, to) in VENDOR {
        fs::copy(web.join("node_modules").join(from), assets.join("vendor").join(to))?;
    }
    for script in &scripts {
        fs::copy(
            script,
            assets.join(script.file_name().expect("a listed file has a name")),
        )?;
    }
    let mut style = String::new();
    for sheet in &styles {
        style.push_str(&fs::read_to_string(sheet)?);
        style.push('\n');
    }
    fs::write(assets.join("app.css"), style)?;
    let page = fs::read_to_string(&index)?.replace(PLACEHOLDER, &format!("/assets/{stamp}"));
    fs::write(new.join("index.html"), page)?;
    if let Some(quality) = purpose.brotli_quality() {
        compress_all(&new, quality)?;
    }
    fs::write(new.join(STAMP), &stamp)?;
    let _ = fs::remove_dir_all(&dist);
    fs::rename(&new, &dist)?;
    check_first_load(&dist, purpose)
}

/// npm brings exactly the lock file's versions, and only when that changed.
fn bring_vendor(web: &Path) -> Result<()> {
    let mark = web.join("node_modules/.package-lock.json");
    let newer =
        |a: &Path, b: &Path| Some(fs::metadata(a).ok()?.modified().ok()? >= fs::metadata(b).ok()?.modified().ok()?);
    if newer(&mark, &web.join("package-lock.json")) == Some(true) {
        return Ok(());
    }
    run(command("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(web))
}

/// Tokens and base first, then each component's and page's own, by path.
fn style_sheets(web: &Path) -> Result<Vec<PathBuf>> {
    let mut sheets = vec![web.join("style/tokens.css"), web.join("style/base.css")];
    sheets.extend(files_below(&web.join("src"), "css")?);
    Ok(sheets)
}

fn files_below(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_below(&path, extension)?);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Cuts off what is fetched later, and binds the rest to the browser.
fn bind(wasm_file: &Path, assets: &Path) -> Result<()> {
    let whole = fs::read(wasm_file)?;
    let first = wasm_file.with_extension("first.wasm");
    let mut options = wasm_split_cli_support::Options::new(&whole);
    options.output_dir = assets;
    options.main_out_path = &first;
    options.main_module = "./app.js";
    options.link_name = "./later.js";
    wasm_split_cli_support::transform(options)
        .map_err(|error| anyhow::anyhow!("cannot cut {}: {error}", wasm_file.display()))?;
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    bindgen
        .input_path(&first)
        .web(true)?
        .typescript(false)
        .out_name("app")
        // The files fetched later are linked to the first by them.
        .keep_lld_exports(true)
        .demangle(false)
        .remove_name_section(true)
        .remove_producers_section(true);
    bindgen.generate(assets)
}

fn compress_all(folder: &Path, quality: i32) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            compress_all(&path, quality)?;
            continue;
        }
        let bytes = fs::read(&path)?;
        if bytes.len() < COMPRESS_FROM {
            continue;
        }
        let beside = |extension: &str| {
            let mut name = path.clone().into_os_string();
            name.push(extension);
            PathBuf::from(name)
        };
        let mut brotli = Vec::new();
        let parameters = brotli::enc::BrotliEncoderParams {
            quality,
            lgwin: 22,
            size_hint: bytes.len(),
            ..Default::default()
        };
        brotli::BrotliCompress(&mut bytes.as_slice(), &mut brotli, &parameters)?;
        fs::write(beside(".br"), brotli)?;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&bytes)?;
        fs::write(beside(".gz"), gzip.finish()?)?;
    }
    Ok(())
}

/// What a first visit to the overview loads; the rest comes when its page is opened.
const FIRST: [&str; 6] = [
    "app.js",
    "app_bg.wasm",
    "later.js",
    "app.css",
    "boot.js",
    "boot-theme.js",
];
const FIRST_LOAD_LIMIT: u64 = 300_000;

/// Says what a first visit loads, and fails when it is too much.
fn check_first_load(dist: &Path, purpose: Purpose) -> Result<()> {
    if purpose != Purpose::Release {
        return Ok(());
    }
    // What is too small to be compressed goes as it is.
    let size = |file: PathBuf| {
        let compressed = file.with_added_extension("br");
        fs::metadata(compressed)
            .or_else(|_| fs::metadata(&file))
            .map(|m| m.len())
    };
    let mut total = size(dist.join("index.html"))?;
    for entry in fs::read_dir(dist.join("assets"))?.filter_map(Result::ok) {
        for file in FIRST {
            total += size(entry.path().join(file)).with_context(|| format!("the bundle has no {file}"))?;
        }
    }
    eprintln!(
        "The panel's first load is {} kB with brotli; at most {} kB are allowed.",
        total / 1000,
        FIRST_LOAD_LIMIT / 1000
    );
    if total > FIRST_LOAD_LIMIT {
        bail!("the panel's first load is too large; see what could be fetched later: web/src/pages/deferred.rs");
    }
    Ok(())
}
