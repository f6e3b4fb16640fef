// The lines of the map.

import { HEIGHT, WIDTH } from "./layout.js";

// How far the line of what is denied is from that of what is allowed.
const BESIDE = 5;

// From the right side of one node to the left side of the other, around what stands between: `path`, the
// same `beside` it, and a place for words in its `middle`.
export function wayOf({ places, ways }, { from, to }) {
  const [a, b] = [places.get(from.id), places.get(to.id)];
  if (b.x <= a.x) return back(a, b);
  const between = (ways.get(`${from.id} > ${to.id}`) ?? []).flatMap(({ x, y }) => [{ x, y }, { x: x + WIDTH, y }]);
  const points = [{ x: a.x + WIDTH, y: a.y }, ...between, { x: b.x - 2, y: b.y }];
  const [before, after] = [points[points.length / 2 - 1], points[points.length / 2]];
  return {
    path: curve(points),
    beside: curve(points.map(({ x, y }) => ({ x, y: y + BESIDE }))),
    middle: { x: (before.x + after.x) / 2, y: (before.y + after.y) / 2 },
  };
}

// From one point to the next, level at both.
function curve([first, ...others]) {
  let path = `M${first.x} ${first.y}`;
  let at = first;
  for (const point of others) {
    const bend = Math.max(30, Math.abs(point.x - at.x) / 2);
    path += `C${at.x + bend} ${at.y} ${point.x - bend} ${point.y} ${point.x} ${point.y}`;
    at = point;
  }
  return path;
}

// What leads back, or stays in its column, goes below.
function back(a, b) {
  const begin = { x: a.x + WIDTH / 2, y: a.y + HEIGHT / 2 };
  const end = { x: b.x + WIDTH / 2, y: b.y + HEIGHT / 2 + 2 };
  const low = { x: (begin.x + end.x) / 2 + (a.x === b.x ? WIDTH : 0), y: Math.max(begin.y, end.y) + HEIGHT };
  const path = (down) => `M${begin.x} ${begin.y}Q${low.x} ${low.y + down} ${end.x} ${end.y}`;
  const half = (one) => (begin[one] + end[one]) / 4 + low[one] / 2;
  return { path: path(0), beside: path(3 * BESIDE), middle: { x: half("x"), y: half("y") } };
}
