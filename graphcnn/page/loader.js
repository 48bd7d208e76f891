// Puts the script of the page in its place: it is stored deflated, which is a quarter.
// @ts-check
(async () => {
  const letters = atob(document.getElementById("script")?.textContent ?? "");
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new DecompressionStream("deflate");
  const writer = stream.writable.getWriter();
  for (const written of [writer.write(bytes), writer.close()]) written.catch(() => {});
  const script = document.createElement("script");
  script.type = "module";
  script.textContent = await new Response(stream.readable).text();
  document.body.append(script);
})().catch(() => {
  const old = typeof DecompressionStream === "undefined";
  document.body.textContent = old
    ? "This page needs a browser of 2023 or newer."
    : "This file is damaged.";
});
