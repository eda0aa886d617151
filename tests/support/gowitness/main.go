// A witness of the tests' own by C2SP tlog-witness and tlog-cosignature, over Debian's golang.org/x/mod: the proofs and notes
// are judged by code that nobody of this house wrote.
//
//	gowitness NAME SEED-HEX LOG-VKEY CERTIFICATE KEY STATE-FILE
//
// It prints its key and its address, and serves POST /w/add-checkpoint until it is ended.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

var (
	name      string
	key       ed25519.PrivateKey
	verifier  note.Verifier
	stateFile string
	lock      sync.Mutex
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func keyID() []byte {
	public := key.Public().(ed25519.PublicKey)
	sum := sha256.Sum256(append([]byte(name+"\n\x04"), public...))
	return sum[:4]
}

// state is the size and root cosigned last.
func state() (int64, tlog.Hash) {
	data, err := os.ReadFile(stateFile)
	if err != nil {
		return 0, tlog.Hash{}
	}
	fields := strings.Fields(string(data))
	size, err := strconv.ParseInt(fields[0], 10, 64)
	check(err)
	root, err := tlog.ParseHash(fields[1])
	check(err)
	return size, root
}

func addCheckpoint(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	head, text, found := strings.Cut(string(body), "\n\n")
	if r.Method != "POST" || err != nil || !found {
		http.Error(w, "no request", 400)
		return
	}
	lines := strings.Split(head, "\n")
	old, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	if err != nil || !strings.HasPrefix(lines[0], "old ") || len(lines) > 64 {
		http.Error(w, "no old size", 400)
		return
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			http.Error(w, "no proof", 400)
			return
		}
		proof = append(proof, hash)
	}
	if origin, _, _ := strings.Cut(text, "\n"); origin != verifier.Name() {
		http.Error(w, "unknown log", 404)
		return
	}
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		http.Error(w, err.Error(), 403)
		return
	}
	said := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(said[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(said[2])
	check(err)
	if old > size {
		http.Error(w, "old is above size", 400)
		return
	}
	lock.Lock()
	defer lock.Unlock()
	known, knownRoot := state()
	if old != known {
		w.Header().Set("Content-Type", "text/x.tlog.size")
		w.WriteHeader(409)
		fmt.Fprintf(w, "%d\n", known)
		return
	}
	switch {
	case old == 0 && len(proof) > 0, old == size && (root != knownRoot || len(proof) > 0):
		http.Error(w, "not the tree that was cosigned", 422)
		return
	case old > 0 && old < size:
		if err := tlog.CheckTree(proof, size, root, old, knownRoot); err != nil {
			http.Error(w, err.Error(), 422)
			return
		}
	}
	check(os.WriteFile(stateFile, []byte(fmt.Sprintf("%d %s\n", size, root)), 0o600))
	at := time.Now().Unix()
	signature := ed25519.Sign(key, []byte(fmt.Sprintf("cosignature/v1\ntime %d\n%s", at, opened.Text)))
	stamped := binary.BigEndian.AppendUint64(keyID(), uint64(at))
	fmt.Fprintf(w, "\u2014 %s %s\n", name, base64.StdEncoding.EncodeToString(append(stamped, signature...)))
	// And one of a key that nobody knows: a log has to leave it alone.
	fmt.Fprintf(w, "\u2014 %s %s\n", "stranger.example", base64.StdEncoding.EncodeToString(make([]byte, 76)))
}

func main() {
	seed, err := hex.DecodeString(os.Args[2])
	check(err)
	name, key, stateFile = os.Args[1], ed25519.NewKeyFromSeed(seed), os.Args[6]
	verifier, err = note.NewVerifier(os.Args[3])
	check(err)
	public := append([]byte{4}, key.Public().(ed25519.PublicKey)...)
	http.HandleFunc("/w/add-checkpoint", addCheckpoint)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Printf("%s+%x+%s\n%d\n", name, keyID(), base64.StdEncoding.EncodeToString(public), listener.Addr().(*net.TCPAddr).Port)
	os.Stdout.Sync()
	check(http.ServeTLS(listener, nil, os.Args[4], os.Args[5]))
}
