// Runs before the first paint, so that a dark panel never flashes white.
(function () {
  var choice = null;
  try { choice = JSON.parse(localStorage.getItem("gantry.theme")); } catch (_) { /* private mode: follow the system */ }
  var dark = choice === "dark" || (choice !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
