"""What is installed with vspc: a list of it (SBOM), known vulnerabilities, and whether the tests
pass with the oldest and newest versions and other Pythons. `make audit`, `make
test-oldest`, `make test-newest`, `make test-pythons`, `make constraints`.
"""
