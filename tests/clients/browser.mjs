// What a browser without script does: it keeps cookies, follows redirects and refreshes, and sends forms as they stand in the page.

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"' };

function unescape(text) {
  return text.replace(/&(?:#x([0-9a-f]+)|#([0-9]+)|([a-z]+));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
  });
}

function attributes(tag) {
  const found = new Map();
  for (const [, name, value] of tag.matchAll(/([a-z-]+)(?:="([^"]*)")?/gi)) {
    found.set(name.toLowerCase(), unescape(value ?? ""));
  }
  return found;
}

export class Browser {
  #cookies = new Map();

  /** @param leave the address at which it stops: the client's own */
  constructor(leave) {
    this.leave = leave;
  }

  /** Goes to an address, and on to where it is sent. */
  async go(address, options = {}) {
    let url = new URL(address);
    for (let hops = 0; hops < 10; hops += 1) {
      if (url.href.startsWith(this.leave)) {
        return Object.assign(this, { url, page: undefined });
      }
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const response = await fetch(url, {
        ...options,
        headers: { ...options.headers, accept: "text/html", ...(cookie && { cookie }) },
        redirect: "manual",
      });
      for (const field of response.headers.getSetCookie()) {
        const [, name, value] = field.match(/^([^=]+)=([^;]*)/);
        if (/max-age=0/i.test(field)) this.#cookies.delete(name);
        else this.#cookies.set(name, value);
      }
      const text = await response.text();
      const refresh = response.headers.get("refresh")?.match(/^0; *url=(.*)$/i)?.[1];
      const location = response.headers.get("location") ?? refresh?.replace(/^"(.*)"$/, "$1") ?? null;
      if (location === null) {
        return Object.assign(this, { url, page: text, status: response.status });
      }
      url = new URL(location, url);
      options = {};
    }
    throw new Error("too many redirects");
  }

  /** The names of the checkboxes of the page, and which are ticked. */
  ticks() {
    const boxes = [...this.page.matchAll(/<input type="checkbox"([^>]*)>/g)].map(([, tag]) => attributes(tag));
    return Object.fromEntries(boxes.map((box) => [box.get("value"), box.has("checked")]));
  }

  /** Sends the form of the page: what is written and ticked in it, by the button with this text. */
  async submit(button, { fill = {}, untick = [] } = {}) {
    const [, tag, inside] = this.page.match(/<form([^>]*method="post"[^>]*)>([\s\S]*?)<\/form>/);
    const body = new URLSearchParams();
    for (const [, text] of inside.matchAll(/<input([^>]*)>/g)) {
      const input = attributes(text);
      const [name, value] = [input.get("name"), input.get("value") ?? "on"];
      const isBox = input.get("type") === "checkbox";
      if (isBox && (!input.has("checked") || untick.includes(value))) continue;
      body.append(name, fill[name] ?? (input.has("value") ? value : ""));
    }
    const pressed = [...inside.matchAll(/<button([^>]*)>([^<]*)</g)].find(([, , label]) => unescape(label) === button);
    if (pressed === undefined) throw new Error(`no button “${button}” in ${this.page}`);
    const { name, value } = Object.fromEntries(attributes(pressed[1]));
    if (name) body.append(name, value);
    const origin = this.url.origin;
    return this.go(new URL(attributes(tag).get("action"), this.url), {
      method: "POST",
      body,
      headers: { origin, "sec-fetch-site": "same-origin" },
    });
  }
}
