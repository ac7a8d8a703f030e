// The only place that makes elements. Texts become text nodes: nothing is ever read as markup.

import { at } from "./pacing.js";

/** Make an element. `on…` properties are listeners, `style` sets single properties, `data` sets data attributes. */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Show other children in an element; those that are there already stay, with their focus. */
export function show(parent, ...children) {
  parent.replaceChildren(...children.flat().filter(Boolean));
}

/** Set a text, if it is another one: assistive technology reads out what changes. */
export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

/** A state as a word with a colour. */
export function pill(state) {
  return h("span", { class: "pill", data: { state } }, state);
}

export function percent(share) {
  return share === null || share === undefined ? "" : `${Math.floor(share)} %`;
}

export function counted(number, noun, plural = `${noun}s`) {
  return `${number} ${number === 1 ? noun : plural}`;
}

/** A time of day, with the date unless it is today's. */
export function clock(moment) {
  if (!moment) return "";
  const then = new Date(moment);
  const time = then.toLocaleTimeString([], { hour12: false });
  if (then.toDateString() === new Date().toDateString()) return time;
  const two = (number) => String(number).padStart(2, "0");
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())} ${time}`;
}

export function spoken(milliseconds) {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Call a function once before the next picture, however often that is asked for. */
export function beforeNextPicture(action) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    const once = () => {
      cancelAnimationFrame(frame);
      callOff();
      asked = false;
      action();
    };
    const frame = requestAnimationFrame(once);
    // A tab behind others has no next picture, and its name is read all the same.
    const callOff = at(Date.now() + 500, once);
  };
}

/** Say something briefly, to everybody. */
export function tell(message) {
  text(document.getElementById("toast"), message);
}
