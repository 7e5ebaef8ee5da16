# The two commands that matter are `make run` and `make test`; both install what they miss. CONTRIBUTING.md has the rest.
.PHONY: help setup run test build bench clean
.NOTPARALLEL:

help: ## show this list
	@sed -n 's/^\([a-z]*\): ## /  make \1	/p' Makefile

setup: ## install everything that building, running and testing need
	@scripts/setup test

run: ## build, and serve the demo app on http://127.0.0.1:8000
	@exec scripts/run

test: ## format, lints and every test
	@exec scripts/test

build: ## build target/release/usher
	@exec scripts/build

bench: ## measure beside nginx, HAProxy and plain Streamlit: benches/RESULTS.md
	@exec benches/run

clean: ## remove what was built and the Python environments; var/ is kept
	cargo clean
	rm -rf .venv .venv-139 .venv-oidc .venv-axe .venv.lock
