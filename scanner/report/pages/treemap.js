"use strict";
// Draws the treemap again, as wide as the page, and lets the reader enter directories. It does what drawing.py does.
(() => {
  const { rows, ...dimensions } = JSON.parse(document.getElementById("treemap-data").textContent);
  const { head, gap, letter, leastArea, leastName, root, colours, own, file } = dimensions;
  const place = document.getElementById("treemap");
  const picture = place.querySelector("svg");
  if (!picture || !rows.some((row) => row[2] > 0)) return;
  const SVG = "http://www.w3.org/2000/svg";
  const GROWTH = [
    ["#56a0d3", "shrank by 10 % or more", -Infinity, -0.1],
    ["#b5d6ee", "shrank", -0.1, -0.001],
    ["#e0e0e0", "about the same", -0.001, 0.001],
    ["#f6cfa0", "grew", 0.001, 0.1],
    ["#e8943a", "grew by 10 % or more", 0.1, Infinity],
  ];
  const tiles = [];
  const top = { number: -1, name: "all", path: "", size: 0, growth: null, below: [], above: null };
  rows.forEach(([parent, name, size, kind, growth], number) => {
    const above = parent < 0 ? top : tiles[parent];
    const path = parent < 0 ? name : above.path.replace(/\/+$/, "") + "/" + name;
    const tile = { number, name, path, size, growth, isFile: kind === "f", below: [], above };
    above.below.push(tile);
    tiles.push(tile);
  });
  top.size = top.below.reduce((sum, tile) => sum + tile.size, 0);
  const start = top.below.length === 1 ? top.below[0] : top;
  let current = start, byGrowth = false;

  const human = (bytes) => {
    let number = Math.abs(bytes);
    for (const unit of ["B", "KiB", "MiB", "GiB", "TiB"]) {
      if (number < 1024) return (Number.isInteger(number) ? number : number.toFixed(1)) + " " + unit;
      number /= 1024;
    }
    return number.toFixed(1) + " PiB";
  };
  const signed = (bytes) => (bytes < 0 ? "-" : "+") + human(bytes);
  const described = (tile) => {
    const share = current.size ? Math.round((1000 * tile.size) / current.size) / 10 : 0;
    const growth = tile.growth === null ? "" : `, ${signed(tile.growth)} since the night before`;
    return `${tile.path || tile.name}: ${human(tile.size)}, ${share} %${growth}`;
  };

  const element = (name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", act);
    return made;
  };
  // Divide a rectangle among sizes in descending order: Bruls, Huizing, van Wijk, Squarified Treemaps, 2000.
  const divided = (sizes, { x, y, width, height }) => {
    const boxes = [];
    let rest = sizes.reduce((sum, size) => sum + size, 0), at = 0;
    while (at < sizes.length) {
      const side = Math.min(width, height), scale = (width * height) / rest;
      let row = 0, end = at, worst = Infinity;
      while (end < sizes.length) {
        const area = (row + sizes[end]) * scale;
        const ratio = Math.max((side * side * sizes[at] * scale) / area ** 2, area ** 2 / (side * side * sizes[end] * scale));
        if (ratio > worst) break;
        worst = ratio;
        row += sizes[end++];
      }
      const thick = (row * scale) / side;
      let along = 0;
      for (; at < end; at++) {
        const length = (sizes[at] * scale) / thick;
        boxes.push(
          width >= height ? { x, y: y + along, width: thick, height: length } : { x: x + along, y, width: length, height: thick },
        );
        along += length;
      }
      if (width >= height) { x += thick; width -= thick; } else { y += thick; height -= thick; }
      rest -= row;
    }
    return boxes;
  };

  const growthColour = (tile) => {
    if (tile.growth === null) return GROWTH[2][0];
    const before = tile.size - tile.growth;
    const share = before > 0 ? tile.growth / before : tile.growth ? Math.sign(tile.growth) : 0;
    return GROWTH.find(([, , low, high]) => share >= low && share < high)[0];
  };

  const label = ({ x, y, width, height }, texts) => {
    const room = Math.floor((width - 2 * gap - 4) / letter);
    if (height < head - 2 || room < leastName) return null;
    const last = texts[texts.length - 1];
    const text = texts.find((each) => columns(each) <= room) ?? cut(last, room - 1) + "…";
    return element("text", { class: "name", x: x + 4, y: y + 12 }, text);
  };
  const isWide = (letter) => /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/.test(letter);
  const columns = (text) => [...text].reduce((sum, letter) => sum + (isWide(letter) ? 2 : 1), 0);
  const cut = (text, room) => {
    const letters = [...text].slice(0, room);
    while (columns(letters.join("")) > room) letters.pop();
    return letters.join("");
  };

  const draw = () => {
    const width = Math.max(240, place.clientWidth), height = Math.max(360, Math.min(760, Math.round(width * 0.63)));
    const focused = picture.contains(document.activeElement);
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.setAttribute("role", "group");
    picture.setAttribute("aria-label", described(current));
    picture.querySelectorAll("g, :scope > rect, :scope > text").forEach((each) => each.remove());
    paint(picture, current, { x: 0, y: 0, width, height }, root, 0);
    crumbs();
    info.textContent = described(current);
    if (focused) picture.querySelector("g[tabindex]")?.focus();
  };

  const paint = (parent, tile, area, colour, depth) => {
    const entered = tile.below.length > 0 && depth > 0;
    const group = element("g", depth === 1
      ? { tabindex: 0, role: entered ? "button" : "img", "aria-label": described(tile), "data-tile": tile.number }
      : { "data-tile": tile.number });
    if (entered) group.classList.add("enter");
    group.append(element("title", {}, described(tile)));
    group.append(element("rect", {
      fill: byGrowth ? growthColour(tile) : colour, "fill-opacity": tile.isFile && !byGrowth ? file : 1, stroke: "#fff",
      x: area.x, y: area.y, width: Math.max(0, area.width), height: Math.max(0, area.height),
    }));
    const text = label(area, [`${depth ? tile.name : tile.path || tile.name}  ${human(tile.size)}`, tile.name]);
    if (text) group.append(text);
    parent.append(group);
    const inside = { x: area.x + gap, y: area.y + head, width: area.width - 2 * gap, height: area.height - head - gap };
    if (inside.width <= 0 || inside.height <= 0 || !tile.below.length) return;
    const scale = (inside.width * inside.height) / Math.max(1, tile.size);
    const large = tile.below.filter((below) => below.size * scale >= leastArea);
    const rest = tile.size - large.reduce((sum, below) => sum + below.size, 0);
    const parts = large.map((below) => [below, below.size]);
    if (rest * scale >= leastArea) parts.push([null, rest]);
    parts.sort((one, other) => other[1] - one[1]);
    divided(parts.map((part) => part[1]), inside).forEach((each, number) => {
      const below = parts[number][0];
      if (below === null) {
        const others = element("g", {});
        others.append(element("title", {}, `${tile.path || tile.name}: the rest, ${human(rest)}`));
        others.append(element("rect", { fill: byGrowth ? "#f2f2f2" : colour, "fill-opacity": own, stroke: "#fff", ...each }));
        group.append(others);
      } else {
        paint(group, below, each, depth ? colour : colours[large.indexOf(below) % colours.length], depth + 1);
      }
    });
  };

  // The address holds the directory, so that the browser's own way back works.
  const enter = (tile) => { location.hash = tile === start ? "#map" : `#map-${tile.number}`; };
  const leave = () => { if (current !== start) enter(current.above); };
  const follow = () => {
    const number = /^#map-(\d+)$/.exec(location.hash);
    const found = number ? tiles[Number(number[1])] : start;
    current = found && found.below.length ? found : start;
    draw();
  };

  const crumbs = () => {
    const way = [];
    for (let tile = current; tile; tile = tile === start ? null : tile.above) way.unshift(tile);
    path.replaceChildren(...way.map((tile) => {
      const made = button(tile.name, () => enter(tile));
      if (tile === current) made.setAttribute("aria-current", "location");
      return made;
    }));
  };

  const path = document.createElement("nav");
  path.className = "map-path";
  path.setAttribute("aria-label", "Path of the directory that is drawn");
  const tools = document.createElement("div");
  tools.className = "map-tools soft";
  const info = document.createElement("p");
  info.className = "map-info path";
  info.setAttribute("aria-live", "polite");
  const help = document.createElement("span");
  help.textContent = "Click a directory, or Tab and Enter, to enter it; Escape to leave it.";
  tools.append(help);
  if (rows.some((row) => row[4] !== null)) {
    const key = document.createElement("span");
    key.hidden = true;
    for (const [colour, meaning] of GROWTH) {
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.background = colour;
      key.append(swatch, ` ${meaning} `);
    }
    const toggle = button("Colour by growth", () => {
      byGrowth = !byGrowth;
      toggle.setAttribute("aria-pressed", byGrowth);
      key.hidden = !byGrowth;
      draw();
    });
    toggle.setAttribute("aria-pressed", false);
    tools.append(toggle, key);
  }
  place.before(tools, path);
  place.after(info);
  place.classList.add("live");
  picture.removeAttribute("width");
  picture.removeAttribute("height");

  const tileOf = (event) => {
    const group = event.target.closest("g[data-tile]");
    return group ? tiles[Number(group.dataset.tile)] ?? start : null;
  };
  picture.addEventListener("click", (event) => {
    const tile = tileOf(event);
    if (!tile) return;
    const target = tile.below.length ? tile : tile.above;
    if (target && target !== current && target !== top) enter(target);
    info.textContent = described(tile);
  });
  for (const kind of ["pointerover", "focusin"]) {
    picture.addEventListener(kind, (event) => {
      const tile = tileOf(event);
      if (tile) info.textContent = described(tile);
    });
  }
  picture.addEventListener("keydown", (event) => {
    const tile = tileOf(event);
    const places = [...picture.querySelectorAll("g[tabindex]")];
    const at = places.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" || event.key === " ") {
      if (tile && tile.below.length && tile !== current) enter(tile);
    } else if (event.key === "Escape" || event.key === "Backspace") leave();
    else if (step && at >= 0) places[(at + step + places.length) % places.length].focus();
    else return;
    event.preventDefault();
  });
  addEventListener("hashchange", follow);
  let width = 0;
  new ResizeObserver(() => {
    if (place.clientWidth !== width) { width = place.clientWidth; draw(); }
  }).observe(place);
  follow();
})();
