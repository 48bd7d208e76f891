// Where pictures come from, besides the hand: files, the clipboard, dropping, the camera, samples.
// @ts-check

import { newPlanes } from "./fit.js";

/** @typedef {import("./page.d.ts").About} About */
/** @typedef {{ data: ArrayLike<number>, width: number, height: number }} Picture red green blue alpha */
/**
 * Who is told: of a picture, or of what is wrong (a key of words.js, with its values).
 * @typedef {{ took: (picture: Picture) => void,
 *   refused: (key: string, values?: { [name: string]: string }) => void }} Receiver
 */

/** Pictures are read at this size at most: more than the networks see, little enough to be quick. */
const MOST_PIXELS = 1024;

/**
 * @param {CanvasImageSource} drawable @param {number} width @param {number} height
 * @param {HTMLCanvasElement} [canvas] one that is used again
 * @returns {Picture}
 */
export function readPixels(drawable, width, height, canvas = document.createElement("canvas")) {
  const scale = Math.min(1, MOST_PIXELS / Math.max(width, height));
  const [w, h] = [width, height].map((size) => Math.max(1, Math.round(size * scale)));
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = /** @type {CanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  context.clearRect(0, 0, w, h);
  context.imageSmoothingQuality = "high";
  context.drawImage(drawable, 0, 0, w, h);
  return context.getImageData(0, 0, w, h);
}

/** @param {File} file @param {Receiver} receiver */
export async function readFile(file, receiver) {
  const name = file.name || file.type;
  if (file.type && !file.type.startsWith("image/")) {
    return receiver.refused("noPicture", { name, type: file.type });
  }
  const address = URL.createObjectURL(file),
    image = new Image();
  image.src = address;
  try {
    await image.decode();
    if (!image.naturalWidth || !image.naturalHeight) return receiver.refused("noSize", { name });
    receiver.took(readPixels(image, image.naturalWidth, image.naturalHeight));
  } catch {
    receiver.refused("unreadablePicture", { name });
  } finally {
    URL.revokeObjectURL(address);
  }
}

/**
 * Takes pictures that are dropped anywhere on the page, or pasted.
 * @param {Document} document
 * @param {HTMLElement} element is marked (`data-dropping`) while something is held over the page
 * @param {Receiver} receiver
 */
export function listenForPictures(document, element, receiver) {
  const marked = (/** @type {boolean} */ on) => element.toggleAttribute("data-dropping", on);
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // or the browser would leave the page for the file
    marked(true);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget === null && marked(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    marked(false);
    const files = [...(event.dataTransfer?.files ?? [])];
    const file = files.find((each) => each.type.startsWith("image/")) ?? files[0];
    if (file) void readFile(file, receiver);
    else receiver.refused("droppedNoFile");
  });
  document.addEventListener("paste", (event) => {
    const at = event.target;
    if (at instanceof HTMLElement && at.matches("input, textarea")) return;
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) void readFile(files[0], receiver);
    else receiver.refused("pastedNoPicture");
  });
}

/** What a refusal of the camera means, as keys of words.js. @type {{ [name: string]: string }} */
const CAMERA_PROBLEMS = {
  NotAllowedError: "cameraDenied",
  SecurityError: "cameraDenied",
  NotFoundError: "cameraNone",
  OverconstrainedError: "cameraNone",
  NotReadableError: "cameraBusy",
  AbortError: "cameraBusy",
};

/**
 * Hands over what the camera sees, a picture a frame, until it is stopped; nobody is looked at by a
 * page that nobody sees: it stops where the page is hidden.
 * @param {Receiver} receiver `refused` is told why there is none
 * @param {() => void} stopped is told when it has ended
 * @returns {() => void} stops it
 */
export function startCamera(receiver, stopped) {
  const video = document.createElement("video"),
    canvas = document.createElement("canvas");
  const ended = new AbortController();
  let running = true;
  /** @type {MediaStream | null} */
  let stream = null;

  function stop() {
    if (!running) return;
    running = false;
    ended.abort();
    for (const track of stream?.getTracks() ?? []) track.stop();
    video.srcObject = null;
    stopped();
  }

  function look() {
    if (!running) return;
    if (video.videoWidth)
      receiver.took(readPixels(video, video.videoWidth, video.videoHeight, canvas));
    requestAnimationFrame(look);
  }

  async function start() {
    if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
    const size = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "environment" };
    stream = await navigator.mediaDevices.getUserMedia({ video: size, audio: false });
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", stop); // it was unplugged, or taken back
    if (!running) return track.stop(); // stopped before it was there
    video.muted = video.playsInline = true;
    video.srcObject = stream;
    await video.play();
    look();
  }

  start().catch((error) => {
    if (running)
      receiver.refused(CAMERA_PROBLEMS[error.name] ?? "cameraFailed", { name: error.name });
    stop();
  });
  const { signal } = ended;
  addEventListener("pagehide", stop, { signal });
  document.addEventListener("visibilitychange", () => document.hidden && stop(), { signal });
  return stop;
}

/**
 * A sample as planes of levels.
 * @param {About} about @param {number} index
 */
export function sampleOf(about, index) {
  const [channels, height, width] = about.input.shape;
  const planes = newPlanes(channels, height, width),
    bytes = atob(about.samples[index].levels);
  for (let i = 0; i < planes.data.length; i++) planes.data[i] = bytes.charCodeAt(i) / 255;
  return planes;
}
