// Comes before everything else: where a part of the page does not arrive, none of its modules runs, and nobody would say so
// or try again. The page is then loaded anew.

const PAUSE = 2000; // milliseconds

addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLScriptElement || target instanceof HTMLLinkElement) setTimeout(() => location.reload(), PAUSE);
  },
  true,
);
