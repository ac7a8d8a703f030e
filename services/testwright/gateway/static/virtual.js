// A list of any length of which only the visible rows are elements; for the keyboard it is one stop.

import { h } from "./dom.js";

const ROW = 46; // pixels, as in list.css
const SPARE = 8;

export class VirtualList {
  #rows = [];
  #active = 0;
  #keyOf;
  #cells;
  #open;
  #shown = new Map();

  /** @param {{label: string, keyOf: Function, cells: Function, open: Function}} options */
  constructor({ label, keyOf, cells, open }) {
    this.#keyOf = keyOf;
    this.#cells = cells;
    this.#open = open;
    this.room = h("div", { class: "rows", role: "presentation" });
    this.element = h("div", { class: "virtual", role: "listbox", tabindex: "0", "aria-label": label }, this.room);
    this.element.addEventListener("scroll", () => this.draw(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.room.addEventListener("click", (event) => this.#click(event));
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** Show these rows; the active one stays active wherever it is now. */
  update(rows, selected) {
    const kept = this.#rows[this.#active] && this.#keyOf(this.#rows[this.#active]);
    this.#rows = rows;
    this.selected = selected;
    const wanted = rows.findIndex((row) => this.#keyOf(row) === kept);
    this.#active = wanted >= 0 ? wanted : Math.min(this.#active, Math.max(rows.length - 1, 0));
    this.room.style.setProperty("height", `${rows.length * ROW}px`);
    this.element.hidden = rows.length === 0;
    this.draw();
  }

  /** Make a row the active one and bring it into view. */
  activate(index) {
    this.#active = Math.max(0, Math.min(index, this.#rows.length - 1));
    const top = this.#active * ROW;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) this.element.scrollTop = top + ROW - clientHeight;
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.element.scrollTop / ROW) - SPARE);
    const last = Math.min(this.#rows.length, Math.ceil((this.element.scrollTop + this.element.clientHeight) / ROW) + SPARE);
    const before = this.#shown;
    this.#shown = new Map();
    const elements = [];
    for (let index = first; index < last; index += 1) {
      const row = this.#rows[index];
      const key = this.#keyOf(row);
      const known = before.get(key);
      const element = known?.row === row ? known.element : this.#element(row, key);
      this.#place(element, index, key);
      this.#shown.set(key, { row, element });
      elements.push(element);
    }
    this.room.replaceChildren(...elements);
    const active = this.#rows[this.#active];
    if (active) this.element.setAttribute("aria-activedescendant", `row-${this.#keyOf(active)}`);
  }

  #element(row, key) {
    return h("div", { class: "row", role: "option", id: `row-${key}`, data: { key } }, this.#cells(row));
  }

  #place(element, index, key) {
    element.style.setProperty("transform", `translateY(${index * ROW}px)`);
    element.setAttribute("aria-posinset", index + 1);
    element.setAttribute("aria-setsize", this.#rows.length);
    element.setAttribute("aria-selected", key === this.selected);
    element.classList.toggle("active", index === this.#active);
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    if (event.key in steps) this.activate(this.#active + steps[event.key]);
    else if (event.key === "Home") this.activate(0);
    else if (event.key === "End") this.activate(this.#rows.length - 1);
    else if (event.key === "Enter" && this.#rows[this.#active]) this.#open(this.#rows[this.#active]);
    else return;
    event.preventDefault();
  }

  #click(event) {
    const element = event.target.closest(".row");
    const index = this.#rows.findIndex((row) => this.#keyOf(row) === element?.dataset.key);
    if (index < 0) return;
    this.#active = index;
    this.#open(this.#rows[index]);
  }
}
