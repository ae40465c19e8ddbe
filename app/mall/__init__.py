"""The mall, in five modules: after-sales above orders above promotions above the catalog, each with its own interface."""
