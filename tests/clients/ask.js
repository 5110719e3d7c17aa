// Asks the chatd at argv[2] with jayson; prints what its callbacks got, one JSON text a line.
const client = require("jayson").client.tcp({ path: process.argv[2] });

const ask = (...request) =>
  new Promise((resolve) =>
    client.request(...request, (failure, response) => {
      const said = failure ? { failure: String(failure) } : response;
      console.log(JSON.stringify(said ?? "nothing"));
      resolve();
    }),
  );

(async () => {
  await ask("chat.search", ["tmpfs", 1], 1);
  await ask("chat.search", { limit: 2, words: "tmpfs" }, "two");
  await ask("no.such", [], 3);
  await ask("system.ping", [], null);
  await ask([
    client.request("system.ping", {}, 4),
    client.request("system.ping", [], null),
    client.request("chat.search", ["tmpfs"], 5),
  ]);
})();
