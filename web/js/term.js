// The terminal. Its library is fetched when a console is first opened.
// xterm.js is MIT-licensed; its licence lies beside it in vendor/.

let library;

function load(base) {
  library ??= Promise.all([
    import(`${base}/vendor/xterm.mjs`),
    import(`${base}/vendor/addon-fit.mjs`),
    new Promise((done, failed) => {
      const link = document.createElement("link");
      link.rel = "stylesheet";
      link.href = `${base}/vendor/xterm.css`;
      link.onload = done;
      link.onerror = failed;
      document.head.append(link);
    }),
  ]).catch((error) => {
    library = undefined;
    throw error;
  });
  return library;
}

function theme() {
  const style = getComputedStyle(document.documentElement);
  const token = (name) => style.getPropertyValue(name).trim();
  const names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
  const colours = {
    background: token("--log"),
    foreground: token("--text-1"),
    cursor: token("--accent"),
    cursorAccent: token("--log"),
    selectionBackground: token("--row-selected"),
  };
  names.forEach((name, at) => {
    colours[name] = token(`--ansi-${at}`);
    colours[`bright${name[0].toUpperCase()}${name.slice(1)}`] = token(`--ansi-${at + 8}`);
  });
  return colours;
}

/** Opens a terminal in `host`. Bytes typed go to `onData`, sizes to `onResize`. */
export async function openTerminal(host, base, onData, onResize) {
  const [{ Terminal }, { FitAddon }] = await load(base);
  const mono = getComputedStyle(document.documentElement).getPropertyValue("--mono").trim();
  const terminal = new Terminal({
    fontFamily: mono,
    fontSize: 13,
    lineHeight: 1.2,
    scrollback: 10000,
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    theme: theme(),
    allowProposedApi: false,
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(host);
  fit.fit();

  const encoder = new TextEncoder();
  terminal.onData((text) => onData(encoder.encode(text)));
  terminal.onBinary((text) => onData(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  terminal.onResize(({ rows, cols }) => onResize(rows, cols));
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.type !== "keydown" || !event.ctrlKey || !event.shiftKey) return true;
    if (event.code === "KeyC" && terminal.hasSelection()) {
      navigator.clipboard?.writeText(terminal.getSelection());
      event.preventDefault();
      return false;
    }
    if (event.key === "Escape") {
      terminal.blur();
      return false;
    }
    return true;
  });
  // More than one line is run at once by most shells: it is asked for first.
  host.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text") ?? "";
    if (text.trim().includes("\n") && !confirm(`Paste these lines?\n\n${text.slice(0, 600)}`)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }, true);

  let waiting;
  const observer = new ResizeObserver(() => {
    clearTimeout(waiting);
    waiting = setTimeout(() => host.isConnected && fit.fit(), 100);
  });
  observer.observe(host);
  terminal.focus();
  return {
    rows: () => terminal.rows,
    cols: () => terminal.cols,
    // Copied: these bytes are the panel's memory, and xterm.js reads them later.
    write: (bytes) => terminal.write(bytes.slice()),
    say: (text) => terminal.write(text),
    reset: () => terminal.reset(),
    focus: () => terminal.focus(),
    input: (text) => onData(encoder.encode(text)),
    restyle: () => { terminal.options.theme = theme(); },
    dispose: () => {
      observer.disconnect();
      clearTimeout(waiting);
      terminal.dispose();
    },
  };
}
