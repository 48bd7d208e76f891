// Puts the script of the page in its place: it is stored deflated, which is a quarter.
// @ts-check
(async () => {
  const text = document.getElementById("script")?.textContent ?? "";
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const script = document.createElement("script");
  script.type = "module";
  script.textContent = await new Response(stream).text();
  document.body.append(script);
})().catch(() => {
  const old = typeof DecompressionStream === "undefined";
  document.body.textContent = old
    ? "This page needs a browser of 2023 or newer."
    : "This file is damaged.";
});
