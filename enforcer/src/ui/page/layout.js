// Places for the nodes of the map: who connects stands left of whom it connects to. The same graph has the
// same picture, always.

export const WIDTH = 180;
export const HEIGHT = 44;
const GAP_X = 84;
const GAP_Y = 18;
// The room that an edge gets where it passes nodes.
const BEND = 8;
// With more edges than this all go straight: no picture of so many is followed edge by edge.
const BENT = 150;
// A column that would be higher becomes several.
const COLUMN = 14;
const SWEEPS = 6;

// Takes sorted ids and pairs of them. Gives `places`, a Map from id to { x, y } (left, middle), `ways`, a Map
// from "from > to" to the points that an edge goes through between the two, and the `bounds` of all.
export function layout(ids, pairs) {
  const forward = withoutCycles(ids, pairs);
  const layers = layersOf(ids, forward);
  const { bends, steps } = forward.length <= BENT ? bend(layers, forward) : { bends: new Map(), steps: forward };
  const places = placed(ordered(layers, steps), bends);
  const ways = new Map([...bends].map(([bent, edge]) => [edge, []]));
  for (const [bent, edge] of bends) ways.get(edge).push(places.get(bent));
  return { places, ways, bounds: boundsOf([...places.values()]) };
}

function boundsOf(places) {
  const [xs, ys] = [places.map(({ x }) => x), places.map(({ y }) => y)];
  return { left: Math.min(0, ...xs), right: Math.max(0, ...xs) + WIDTH, top: Math.min(0, ...ys), bottom: Math.max(0, ...ys) };
}

// Between layers that are not neighbours an edge gets a place in each layer that it passes, so that it goes
// around the nodes there.
function bend(layers, forward) {
  const depth = new Map(layers.flatMap((layer, index) => layer.map((id) => [id, index])));
  const bends = new Map();
  const steps = [];
  for (const [from, to] of forward) {
    let last = from;
    for (let at = depth.get(from) + 1; at < depth.get(to); at += 1) {
      const bent = `${from} > ${to} @ ${at}`;
      bends.set(bent, `${from} > ${to}`);
      layers[at].push(bent);
      steps.push([last, bent]);
      last = bent;
    }
    steps.push([last, to]);
  }
  return { bends, steps };
}

function placed(layers, bends) {
  const places = new Map();
  let x = 0;
  for (const layer of layers) {
    const columns = Math.ceil(layer.length / COLUMN);
    const length = Math.ceil(layer.length / columns);
    for (let column = 0; column < columns; column += 1) {
      const members = layer.slice(column * length, (column + 1) * length);
      const heights = members.map((id) => (bends.has(id) ? BEND : HEIGHT) + GAP_Y);
      let y = -heights.reduce((sum, one) => sum + one, 0) / 2;
      members.forEach((id, index) => {
        places.set(id, { x: x + column * (WIDTH + GAP_X / 3), y: y + heights[index] / 2 });
        y += heights[index];
      });
    }
    x += (columns - 1) * (WIDTH + GAP_X / 3) + WIDTH + GAP_X;
  }
  return places;
}

// Turns edges around that would lead back to where one came from.
function withoutCycles(ids, pairs) {
  const next = new Map(ids.map((id) => [id, []]));
  const balance = new Map(ids.map((id) => [id, 0]));
  for (const [from, to] of pairs) {
    next.get(from).push(to);
    balance.set(from, balance.get(from) + 1);
    balance.set(to, balance.get(to) - 1);
  }
  const state = new Map();
  const forward = [];
  // With a stack of its own: a chain may be long.
  for (const root of [...ids].sort((a, b) => balance.get(b) - balance.get(a))) {
    if (state.has(root)) continue;
    const stack = [[root, 0]];
    state.set(root, "open");
    while (stack.length) {
      const top = stack.at(-1);
      const to = next.get(top[0])[top[1]++];
      if (to === undefined) {
        state.set(top[0], "done");
        stack.pop();
      } else if (state.get(to) === "open") {
        forward.push([to, top[0]]);
      } else {
        forward.push([top[0], to]);
        if (!state.has(to)) {
          state.set(to, "open");
          stack.push([to, 0]);
        }
      }
    }
  }
  return forward;
}

// As far right as the longest way that leads there.
function layersOf(ids, forward) {
  const waits = new Map(ids.map((id) => [id, 0]));
  const next = new Map(ids.map((id) => [id, []]));
  for (const [from, to] of forward) {
    next.get(from).push(to);
    waits.set(to, waits.get(to) + 1);
  }
  const depth = new Map(ids.map((id) => [id, 0]));
  const ready = ids.filter((id) => !waits.get(id));
  for (const id of ready) {
    for (const to of next.get(id)) {
      depth.set(to, Math.max(depth.get(to), depth.get(id) + 1));
      waits.set(to, waits.get(to) - 1);
      if (!waits.get(to)) ready.push(to);
    }
  }
  const layers = [];
  for (const id of ids) (layers[depth.get(id)] ??= []).push(id);
  return layers;
}

// Moves each node to the middle of those that it is connected with, some times to and fro.
function ordered(layers, forward) {
  const neighbours = new Map(layers.flat().map((id) => [id, []]));
  for (const [from, to] of forward) {
    neighbours.get(from).push(to);
    neighbours.get(to).push(from);
  }
  const place = new Map();
  const note = (layer) => layer.forEach((id, index) => place.set(id, index - (layer.length - 1) / 2));
  layers.forEach(note);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      const middle = new Map(layer.map((id) => {
        const around = neighbours.get(id);
        const sum = around.reduce((all, one) => all + place.get(one), 0);
        return [id, around.length ? sum / around.length : place.get(id)];
      }));
      layer.sort((a, b) => middle.get(a) - middle.get(b));
      note(layer);
    }
  }
  return layers;
}
