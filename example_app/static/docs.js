// Shows the description of the API with Swagger UI. The page loads the bundle of Swagger UI first.

const place = document.querySelector("[data-url]");
const dark = matchMedia("(prefers-color-scheme: dark)");

function followTheSystem() {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}

dark.addEventListener("change", followTheSystem);
followTheSystem();

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.url,
  defaultModelsExpandDepth: 0, // the schemas are collapsed
  validatorUrl: null, // otherwise Swagger UI sends the document's URL to swagger.io
});
