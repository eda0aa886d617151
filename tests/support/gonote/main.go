// A second verifier for audit logs, from parts that nobody here wrote: signatures, tree hashes, tiles and proofs are all
// checked by golang.org/x/mod/sumdb (note, tlog), the code that guards Go's own checksum database.
//
// Usage: gonote FOLDER VKEY [OLD-CHECKPOINT]. Exit code 0: verifies, 1: does not, 2: wrong use.
//        gonote -many: the same for every line "FOLDER VKEY [OLD-CHECKPOINT]" of its input, one line of answer each.
//        A FOLDER that ends in .tlog-proof is one proof, which carries its entry.
//
// The one adaptation: x/mod writes a tile's height into its path (tile/8/L/N), tlog-tiles does not (tile/L/N).
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type folder string

func (f folder) Height() int                          { return height }
func (f folder) SaveTiles(t []tlog.Tile, data [][]byte) {}

func (f folder) read(t tlog.Tile, level string) ([]byte, error) {
	path := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", t.H))
	_, path, _ = strings.Cut(path, "/")
	return os.ReadFile(filepath.Join(string(f), "tile", level, path))
}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		data, err := f.read(t, strconv.Itoa(t.L))
		if err != nil {
			return nil, err
		}
		out[i] = data
	}
	return out, nil
}

func checkpoint(path string, verifiers note.Verifiers) (tlog.Tree, string) {
	data, err := os.ReadFile(path)
	check(err)
	n, err := note.Open(data, verifiers)
	check(err)
	return said(n.Text)
}

func said(text string) (tlog.Tree, string) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 {
		fail("checkpoint: too few lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	return tlog.Tree{N: size, Hash: root}, lines[0]
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "-many" {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			said, _ := judge(strings.Fields(lines.Text()))
			fmt.Println(strings.ReplaceAll(said, "\n", " "))
		}
		return
	}
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: gonote FOLDER VKEY [OLD-CHECKPOINT]")
		os.Exit(2)
	}
	said, ok := judge(os.Args[1:])
	fmt.Println(said)
	if !ok {
		os.Exit(1)
	}
}

func judge(given []string) (said string, ok bool) {
	defer func() {
		if why := recover(); why != nil {
			said, ok = fmt.Sprintf("DOES NOT VERIFY: %v", why), false
		}
	}()
	if strings.HasSuffix(given[0], ".tlog-proof") {
		return proof(given[0], given[1]), true
	}
	return whole(given[0], given[1], given[2:]), true
}

// proof checks a C2SP tlog-proof with its entry in the extra line.
func proof(path, vkey string) string {
	data, err := os.ReadFile(path)
	check(err)
	verifier, err := note.NewVerifier(vkey)
	check(err)
	head, rest, found := strings.Cut(string(data), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		fail("not a tlog-proof")
	}
	if !strings.HasPrefix(lines[1], "extra ") || !strings.HasPrefix(lines[2], "index ") {
		fail("not a tlog-proof with its entry")
	}
	extra, number := lines[1][6:], lines[2][6:]
	entry, err := base64.StdEncoding.Strict().DecodeString(extra)
	check(err)
	index, err := strconv.ParseInt(number, 10, 64)
	check(err)
	if strconv.FormatInt(index, 10) != number {
		fail("index with leading zeroes")
	}
	var hashes tlog.RecordProof
	for _, line := range lines[3:] {
		h, err := tlog.ParseHash(line)
		check(err)
		if h.String() != line { // its decoder lets the last two bits be anything
			fail("a hash in another spelling")
		}
		hashes = append(hashes, h)
	}
	n, err := note.Open([]byte(rest), note.VerifierList(verifier))
	check(err)
	tree, origin := said(n.Text)
	check(tlog.CheckRecord(hashes, tree.N, tree.Hash, index, tlog.RecordHash(entry)))
	return fmt.Sprintf("VERIFIES %s %d %s", origin, tree.N, tree.Hash)
}

func whole(path, vkey string, older []string) string {
	f := folder(path)
	verifier, err := note.NewVerifier(vkey)
	check(err)
	verifiers := note.VerifierList(verifier)
	tree, origin := checkpoint(filepath.Join(string(f), "checkpoint"), verifiers)

	// Every hash that comes out of this reader was checked against the signed root.
	hashes := tlog.TileHashReader(tree, f)
	for first := int64(0); first < tree.N; first += 1 << height {
		width := tree.N - first
		if width > 1<<height {
			width = 1 << height
		}
		indexes := make([]int64, width)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		wanted, err := hashes.ReadHashes(indexes)
		check(err)
		bundle, err := f.read(tlog.Tile{H: height, L: 0, N: first >> height, W: int(width)}, "entries")
		check(err)
		for i := range wanted {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				fail("entry %d: bundle too short", first+int64(i))
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			if tlog.RecordHash(bundle[2:end]) != wanted[i] {
				fail("entry %d: TAMPERED", first+int64(i))
			}
			bundle = bundle[end:]
		}
		if len(bundle) != 0 {
			fail("bundle of entry %d: too long", first)
		}
	}
	if tree.N > 0 {
		for _, index := range []int64{0, tree.N / 2, tree.N - 1} {
			proof, err := tlog.ProveRecord(tree.N, index, hashes)
			check(err)
			leaf, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
			check(err)
			check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf[0]))
		}
	}
	for _, path := range older {
		old, _ := checkpoint(path, verifiers)
		proof, err := tlog.ProveTree(tree.N, old.N, hashes)
		check(err)
		check(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
	}
	return fmt.Sprintf("VERIFIES %s %d %s", origin, tree.N, tree.Hash)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func fail(format string, arguments ...any) {
	panic(fmt.Sprintf(format, arguments...))
}
