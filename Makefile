# The two commands of the README, and what maintainers run.
.PHONY: demo test check format bench bench-merges bench-banks bench-networks bench-learning bench-train bench-masks bench-spectral differential documentation

demo:            ## build and merge the bundled vision experts by several methods
	Scripts/demo

test:            ## all tests, with LibTorch in .venv/torch and what else they use where it may be installed
	Scripts/install_engines
	Scripts/install_torch
	Scripts/install_minilm
	swift test --parallel

check:           ## what must hold before a commit: format, warnings, tests, line budget, documentation
	Scripts/check

format:          ## put sources into the house style
	swift format --in-place --recursive Package.swift Sources Tests

bench:           ## all comparisons and figures (see Benchmarks/README.md); about an hour
	$(MAKE) bench-merges
	$(MAKE) bench-banks bench-networks bench-learning bench-train bench-masks bench-spectral BENCH=

bench-merges:    ## compare with mergekit on synthetic Llama-shaped models
	swift build -c release --product tincture
	Benchmarks/setup_peer.sh
	python3 Benchmarks/bench.py $(BENCH)

bench-banks:     ## sizes, errors and rates of expert banks
	swift build -c release --product tincture
	python3 Benchmarks/bench_banks.py $(BENCH)
	Scripts/install_torch
	python3 Benchmarks/bench_codecs.py

bench-networks:  ## a vision transformer's passes against PyTorch in Python
	swift build -c release --product tincture
	Benchmarks/setup_peer.sh
	python=$${PEER_VENV:-.venv/bench}/bin/python; $$python Benchmarks/bench_networks.py --python $$python $(BENCH)

bench-learning:  ## a step of Model Tinting against the published loop in PyTorch
	swift build -c release --product tincture
	Benchmarks/setup_peer.sh
	python=$${PEER_VENV:-.venv/bench}/bin/python; $$python Benchmarks/bench_learning.py --python $$python $(BENCH)

bench-train:     ## training with dense, low and dynamic ranks, and a step against PyTorch in Python
	swift build -c release --product tincture
	Benchmarks/setup_peer.sh
	Scripts/install_fashion_mnist
	python=$${PEER_VENV:-.venv/bench}/bin/python; $$python Benchmarks/bench_train.py --python $$python $(BENCH)

bench-masks:     ## merges without singular values against FusionBench: time and memory
	swift build -c release --product tincture
	Benchmarks/setup_peer.sh fusion-bench
	python=$${FUSION_VENV:-.venv/fusion}/bin/python; $$python Benchmarks/bench_spectral.py --python $$python --sets vision --methods linear task_arithmetic ties magmax tall_masks emr wudi fisher regmean doge $(BENCH)

bench-spectral:  ## merges by singular values against FusionBench: time, memory and error
	swift build -c release --product tincture
	Benchmarks/setup_peer.sh fusion-bench
	python=$${FUSION_VENV:-.venv/fusion}/bin/python; $$python Benchmarks/bench_spectral.py --python $$python $(BENCH)

differential:    ## compare weights with mergekit's on tiny models
	swift build -c release --product tincture
	Benchmarks/setup_peer.sh
	$${PEER_VENV:-.venv/bench}/bin/python Benchmarks/differential.py

documentation:   ## write the method pages from the registry
	swift run -c release tincture methods --write Sources/Tincture/Tincture.docc/Methods
