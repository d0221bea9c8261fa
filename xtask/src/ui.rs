//! The panel's bundle: `web/dist/index.html` and `web/dist/assets/<hash>/…`,
//! each text file with its brotli and gzip form beside it.

use crate::process::{command, run};
use crate::{wasm, workspace};
use anyhow::{Context as _, Result};
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

/// Builds the panel into `web/dist`, unless nothing changed since the last time.
pub(crate) fn build(dev: bool) -> Result<()> {
    let web = workspace::root().join("web");
    let wasm_file = wasm::compile(if dev { "wasm-dev" } else { "wasm" })?;
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
    hash.update([u8::from(dev)]);
    let stamp = hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let dist = web.join("dist");
    if fs::read_to_string(dist.join(STAMP)).is_ok_and(|old| old == stamp) {
        return Ok(());
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
    if !dev {
        compress_all(&new)?;
    }
    fs::write(new.join(STAMP), &stamp)?;
    let _ = fs::remove_dir_all(&dist);
    fs::rename(&new, &dist)?;
    report(&dist)
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

fn bind(wasm_file: &Path, assets: &Path) -> Result<()> {
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    bindgen
        .input_path(wasm_file)
        .web(true)?
        .typescript(false)
        .out_name("app")
        .remove_name_section(true)
        .remove_producers_section(true);
    bindgen.generate(assets)
}

fn compress_all(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            compress_all(&path)?;
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
            quality: 11,
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

/// Says what a first visit loads.
fn report(dist: &Path) -> Result<()> {
    let mut total = 0;
    for entry in fs::read_dir(dist.join("assets"))?.filter_map(Result::ok) {
        for file in ["app.js", "app_bg.wasm", "app.css", "boot.js"] {
            total += fs::metadata(entry.path().join(format!("{file}.br"))).map_or(0, |m| m.len());
        }
    }
    eprintln!("The panel's first load is {} kB with brotli.", total / 1000);
    Ok(())
}
