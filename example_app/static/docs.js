// Shows the description of the API with Swagger UI, whose bundle is loaded before this module.

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
  defaultModelsExpandDepth: 0, // the schemas are folded up
  validatorUrl: null, // or swagger.io would hear of the document
});
