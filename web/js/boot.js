// Starts the panel. A failure here is said in words, never a blank page.
import init from "./app.js";

// A browser drops what it is fetching when an address of its host changes, as when
// a bridge of containers is made there.
const fetched = async () => {
  const address = new URL("./app_bg.wasm", import.meta.url);
  try {
    return await fetch(address);
  } catch {
    await new Promise((done) => setTimeout(done, 300));
    return fetch(address);
  }
};

try {
  await init({ module_or_path: fetched() });
} catch (error) {
  const box = document.getElementById("stopped");
  if (box) {
    box.querySelector("pre").textContent = String(error && error.stack ? error.stack : error);
    box.hidden = false;
  }
  throw error;
}
