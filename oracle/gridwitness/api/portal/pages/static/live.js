// Says whether the page is fed live, beside what htmx does by itself.
document.addEventListener("DOMContentLoaded", () => {
  const sign = document.querySelector("#live");
  const say = (state, words) => {
    sign.dataset.state = state;
    sign.lastElementChild.textContent = words;
  };
  document.body.addEventListener("htmx:sseOpen", () => say("on", "live"));
  document.body.addEventListener("htmx:sseError", () => say("off", "not live: trying again"));
  document.body.addEventListener("htmx:sendError", () => say("off", "not live: the server does not answer"));
});
