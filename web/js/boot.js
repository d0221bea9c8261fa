// Starts the panel. A failure here is said in words, never a blank page.
import init from "./app.js";

try {
  await init({ module_or_path: new URL("./app_bg.wasm", import.meta.url) });
} catch (error) {
  const box = document.getElementById("stopped");
  if (box) {
    box.querySelector("pre").textContent = String(error && error.stack ? error.stack : error);
    box.hidden = false;
  }
  throw error;
}
