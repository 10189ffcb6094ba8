// A library that is no module.
extern "C" int cotenant_foreign() {
  return 1;
}
