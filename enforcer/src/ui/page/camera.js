// Which part of the map is in sight, and how large: by mouse, wheel, keys and buttons.

const ZOOM = { min: 0.1, max: 4, step: 1.25, fit: 1.4 };
const STEP = 60;

const MOVES = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };

export class Camera {
  #picture;
  #scene;
  #view = { x: 0, y: 0, zoom: 1 };
  #bounds;
  // Until somebody moves it, everything is in sight.
  #follows = true;

  // Moves a `scene` within a `picture`; what `passes` has clicks of its own.
  constructor(picture, scene, passes) {
    this.#picture = picture;
    this.#scene = scene;
    new ResizeObserver(() => this.#follows && this.fit()).observe(picture);
    picture.addEventListener("wheel", (event) => {
      event.preventDefault();
      const at = { x: event.offsetX, y: event.offsetY };
      if (event.deltaY < 0) this.nearer(at);
      else this.farther(at);
    }, { passive: false });
    picture.addEventListener("pointerdown", (event) => !event.target.closest(passes) && this.#drag(event));
    picture.addEventListener("keydown", (event) => this.#key(event));
  }

  // The picture has another extent now: { left, right, top, bottom }.
  extent(bounds) {
    this.#bounds = bounds;
    if (this.#follows) this.fit();
  }

  fit() {
    const { width, height } = this.#picture.getBoundingClientRect();
    if (!this.#bounds || !width) return;
    const { left, right, top, bottom } = this.#bounds;
    const zoom = Math.max(ZOOM.min, Math.min(ZOOM.fit, width / (right - left), height / (bottom - top)));
    this.#look((width - (left + right) * zoom) / 2, (height - (top + bottom) * zoom) / 2, zoom);
    this.#follows = true;
  }

  nearer(at) {
    this.#zoom(ZOOM.step, at);
  }

  farther(at) {
    this.#zoom(1 / ZOOM.step, at);
  }

  #zoom(factor, at) {
    const { width, height } = this.#picture.getBoundingClientRect();
    const fixed = at ?? { x: width / 2, y: height / 2 };
    const { x, y, zoom } = this.#view;
    const next = Math.min(ZOOM.max, Math.max(ZOOM.min, zoom * factor));
    const scale = next / zoom;
    this.#look(fixed.x - (fixed.x - x) * scale, fixed.y - (fixed.y - y) * scale, next);
  }

  #move(x, y) {
    this.#look(this.#view.x + x, this.#view.y + y, this.#view.zoom);
  }

  #drag(event) {
    const move = (moved) => this.#move(moved.movementX, moved.movementY);
    this.#picture.setPointerCapture(event.pointerId);
    this.#picture.addEventListener("pointermove", move);
    this.#picture.addEventListener("pointerup",
      () => this.#picture.removeEventListener("pointermove", move), { once: true });
  }

  #key(event) {
    const move = MOVES[event.key];
    if (move) this.#move(...move);
    else if (event.key === "+" || event.key === "=") this.nearer();
    else if (event.key === "-") this.farther();
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
  }

  #look(x, y, zoom) {
    this.#follows = false;
    this.#view = { x, y, zoom };
    this.#scene.setAttribute("transform", `translate(${x} ${y}) scale(${zoom})`);
  }
}
