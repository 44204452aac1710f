package pattern_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/observe/pattern"
)

// kinds is one style of lines: templates with their values in braces, and how many lines
// of each. All are made up, in the manner of well-known systems.
type kinds map[string]int

// TestStyles: in each style every kind of line becomes one template, and no template is
// of two kinds. Nothing is set for any of them.
func TestStyles(t *testing.T) {
	for style, all := range map[string]kinds{
		"sshd": {
			"Accepted publickey for {user} from {ip} port {n} ssh2: RSA SHA256:{hex}":                                   20,
			"Failed password for invalid user {user} from {ip} port {n} ssh2":                                           40,
			"Failed password for root from {ip} port {n} ssh2":                                                          60,
			"Invalid user {user} from {ip}":                                                                             30,
			"input_userauth_request: invalid user {user} [preauth]":                                                     30,
			"Received disconnect from {ip}: 11: Bye Bye [preauth]":                                                      40,
			"Received disconnect from {ip}: 14: No more user authentication methods available. [preauth]":               9,
			"Connection closed by {ip} [preauth]":                                                                       12,
			"Connection reset by {ip} port {n}":                                                                         8,
			"Did not receive identification string from {ip}":                                                           5,
			"reverse mapping checking getaddrinfo for {host} [{ip}] failed - POSSIBLE BREAK-IN ATTEMPT!":                9,
			"pam_unix(sshd:auth): check pass; user unknown":                                                             30,
			"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip} ":             20,
			"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip}  user={user}": 20,
			"pam_unix(sshd:session): session opened for user {user} by (uid=0)":                                         6,
			"pam_unix(sshd:session): session closed for user {user}":                                                    6,
			"PAM {n} more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip}  user={user}":        20,
			"message repeated {n} times: [ Failed password for root from {ip} port {n} ssh2]":                           5,
			"Disconnecting: Too many authentication failures for {user} [preauth]":                                      14,
			"fatal: Write failed: Connection reset by peer [preauth]":                                                   2,
		},
		"proxy": {
			"{host}:443 close, {n} bytes{kb} sent, {n} bytes{kb} received, lifetime {mmss}":                       30,
			"{host}:443 open through proxy {host}:5070 HTTPS":                                                     30,
			"{host}:443 open through proxy {host}:5070 SOCKS5":                                                    10,
			"{host}:80 error : Could not connect to proxy {host}:5070 - connection attempt failed with error {n}": 6,
			"open directly {host}:80": 5,
		},
		"steps": {
			"onStandStepChanged {n}":                                              30,
			"onExtend:{n} {n} {n} {n}":                                            30,
			"getTodayTotalDetailSteps = {n}##{n}##{n}##{n}##{n}":                  20,
			"setTodayTotalDetailSteps={n}##{n}##{n}##{n}":                         20,
			"calculateCaloriesWithCache totalCalories={n}":                        20,
			"calculateAltitudeWithCache totalAltitude={n}":                        20,
			"REPORT : {n} {n} {n} {n}":                                            20,
			"processHandleBroadcastAction action:android.intent.action.TIME_TICK": 15,
			"processHandleBroadcastAction action:android.intent.action.SCREEN_ON": 9,
			"flush sensor data":                                                   9,
			"upLoadHealthDataToEngine time={n}, type={n}, isNew={bool}":           9,
		},
		"scheduler": {
			"Running task {f} in stage {f} (TID {n})":                                                   30,
			"Finished task {f} in stage {f} (TID {n}). {n} bytes result sent to driver":                 30,
			"Found block rdd_{n}_{n} locally":                                                           30,
			"Block broadcast_{n} stored as values in memory (estimated size {f} KB, free {f} MB)":       20,
			"Block broadcast_{n}_piece0 stored as bytes in memory (estimated size {f} KB, free {f} KB)": 20,
			"Input split: hdfs://{ip}:9000/data/{word}.txt:{n}+{n}":                                     20,
			"Started reading broadcast variable {n}":                                                    10,
			"Reading broadcast variable {n} took {n} ms":                                                10,
			"Changing view acls to: hadoop,yarn":                                                        4,
			"Changing modify acls to: hadoop,yarn":                                                      4,
			"Connecting to driver: spark://CoarseGrainedScheduler@{ip}:{n}":                             4,
			"Times: total = {n}, boot = {n}, init = {n}, finish = {n}":                                  10,
			"Registering signal handlers for [TERM, HUP, INT]":                                          2,
		},
		"yarn": {
			"attempt_{n}_{n}_m_{n}_0 TaskAttempt Transitioned from UNASSIGNED to ASSIGNED": 10,
			"attempt_{n}_{n}_m_{n}_0 TaskAttempt Transitioned from ASSIGNED to RUNNING":    10,
			"task_{n}_{n}_m_{n} Task Transitioned from NEW to SCHEDULED":                   10,
			"Progress of TaskAttempt attempt_{n}_{n}_m_{n}_0 is : {f}":                     20,
			"JVM with ID : jvm_{n}_{n}_m_{n} asked for a task":                             10,
			"Address change detected. Old: {host}/{ip}:9000 New: {host}:9000":              20,
			"Retrying connect to server: {host}/{ip}:9000. Already tried {n} time(s); retry policy is RetryUpToMaximumCountWithFixedSleep(maxRetries=10, sleepTime=1000 MILLISECONDS)": 20,
			"Failed to renew lease for [DFSClient_NONMAPREDUCE_{n}_1] for {n} seconds.  Will retry shortly ...":                                                                        20,
			"Registering class org.example.yarn.{class}$EventType for class org.example.yarn.{class}":                                                                                  9,
			"Recalculating schedule, headroom=<memory:{n}, vCores:{n}>":                                                                                                                9,
			"Executing with tokens:":                     2,
			"mapResourceRequest:<memory:1024, vCores:1>": 2,
		},
		"compute": {
			"{ip} \"GET /v2/{hex}/servers/detail HTTP/1.1\" status: 200 len: {n} time: {f}":                                                              40,
			"{ip} \"POST /v2/{hex}/os-server-external-events HTTP/1.1\" status: 200 len: {n} time: {f}":                                                  20,
			"{ip} \"DELETE /v2/{hex}/servers/{uuid} HTTP/1.1\" status: 204 len: {n} time: {f}":                                                           9,
			"[instance: {uuid}] VM Started (Lifecycle Event)":                                                                                            9,
			"[instance: {uuid}] VM Paused (Lifecycle Event)":                                                                                             9,
			"[instance: {uuid}] VM Resumed (Lifecycle Event)":                                                                                            9,
			"[instance: {uuid}] Took {f} seconds to build instance.":                                                                                     9,
			"[instance: {uuid}] Took {f} seconds to spawn the instance on the hypervisor.":                                                               9,
			"[instance: {uuid}] Attempting claim: memory {n} MB, disk {n} GB, vcpus 1 CPU":                                                               9,
			"[instance: {uuid}] Total memory: {n} MB, used: {f} MB":                                                                                      9,
			"[instance: {uuid}] memory limit: {f} MB, free: {f} MB":                                                                                      9,
			"[instance: {uuid}] vcpu limit not specified, defaulting to unlimited":                                                                       9,
			"image {uuid} at ({path}): in use: on this node {n} local, 0 on other nodes sharing this instance storage":                                   20,
			"image {uuid} at ({path}): checking":                                                                                                         20,
			"Active base files: {path}":                                                                                                                  12,
			"Creating event network-vif-plugged:{uuid} for instance {uuid}":                                                                              9,
			"Auditing locally available compute resources for node {host}":                                                                               9,
			"Final resource view: name={host} phys_ram={n}MB used_ram={n}MB phys_disk={n}GB used_disk={n}GB total_vcpus={n} used_vcpus={n} pci_stats=[]": 9,
		},
		"supercomputer": {
			"{n} ddr errors(s) detected and corrected on rank 0, symbol {n}, bit {n}": 20,
			"{n} L3 EDRAM error(s) (dcr 0x{hex}) detected and corrected":              20,
			"CE sym {n}, at 0x{hex}, mask 0x{hex}":                                    20,
			"generating core.{n}":                                                     60,
			"instruction cache parity error corrected":                                30,
			"ciod: Error reading message prefix after LOGIN_MESSAGE on CioStream socket to {ip}:{n}: Link has been severed": 9,
			"ciod: failed to read message prefix on control stream (CioStream socket to {ip}:{n}":                           20,
			"ciod: LOGIN chdir({path}) failed: No such file or directory":                                                   9,
			"data TLB error interrupt":                                       9,
			"r{n}=0x{hex} r{n}=0x{hex} r{n}=0x{hex} r{n}=0x{hex}":            20,
			"iar {hex} dear {hex}":                                           20,
			"program interrupt: fp cr field .............0":                  5,
			"Node card VPD check: missing {n} node, location R{n}-M{n}-N{n}": 5,
		},
		"cluster": {
			"Component State Change: Component \\042alt{n}\\042 is in the unavailable state (HWID={n})": 20,
			"ServerFileSystem: An ServerFileSystem domain panic has occurred on storage{n}":             9,
			"Link error on broadcast tree Interconnect-{n}T{n}:{n}:{n}":                                 9,
			"Temperature ({n}C) exceeds warning threshold":                                              9,
			"PSU status ( on on )":  9,
			"PSU status ( off on )": 0,
			"boot (command {n}) Error: Network link is down on node-{n}":                6,
			"Targeting domains:node-D{n} and nodes:node-[{n}-{n}] child of command {n}": 9,
			"Fan speeds ( {n} {n} {n} {n} {n} {n} )":                                    20,
			"ambient={n}":                                                               9,
		},
		"phone": {
			"acquire lock={n}, flags=0x1, tag=\"{word}\", name={pkg}, ws=null, uid={n}, pid={n}": 30,
			"release lock={n}, flg=0x0, tag=\"{word}\", name={pkg}\", ws=null, uid={n}, pid={n}": 30,
			"printFreezingDisplayLogsopening app wtoken = AppWindowToken{{hex} token=Token{{hex} ActivityRecord{{hex} u0 {pkg}/.{class} t{n}}}}, allDrawn= {bool}, startingDisplayed =  {bool}, startingMoved =  {bool}, isRelaunching =  {bool}": 20,
			"visible is system.call.count gt 0":                   9,
			"visible is system.charge.show":                       9,
			"updateLightsLocked: screenState={n}, brightness={n}": 9,
			"setSystemUiVisibility vis={hex} mask={hex} oldVal={hex} newVal={hex} diff=0 fullscreenStackVis=0 dockedStackVis=0": 12,
			"computeScreenConfigurationLocked() Assigning mCurrentOrientation 0":                                                5,
			"Skipping AppWindowToken{{hex} token=Token{{hex} ActivityRecord{{hex} u0 {pkg}/.{class} t{n}}}} -- going to hide":   12,
			"userActivityNoUpdateLocked: eventTime={n}, event=2, flags=0x0, uid={n}":                                            9,
		},
		"laptop": {
			"ARPT: {f}: wl0: wl_update_tcpkeep_seq: Original Seq: {n}, Ack: {n}, Win size: {n}":               20,
			"ARPT: {f}: wl0: MDNS: IPV4 Addr: {ip}":                                                           9,
			"ARPT: {f}: AirPort_Brcm43xx::powerChange: System Sleep ":                                         9,
			"ARPT: {f}: AirPort_Brcm43xx::powerChange: System Wake - Full Wake/ Dark Wake / Maintenance wake": 9,
			"en0: BSSID changed to {mac}":                                                                     9,
			"en0: channel changed to {n}":                                                                     9,
			"Thermal pressure state: 1 Memory pressure state: 0":                                              9,
			"Sandbox: {word}({n}) deny(1) mach-lookup com.example.coresymbolicationd":                         12,
			"full wake promotion (reason 1) {n} ms":                                                           9,
			"nw_nat64_post_new_ifstate successfully changed NAT64 ifstate from 0x{hex} to 0x{hex}":            9,
		},
		"updates": {
			"Loaded Servicing Stack v{f}.{n}.{n} with Core: {path}":                                                                             9,
			"SQM: Initializing online with Windows opt-in: False":                                                                               9,
			"SQM: Queued {n} file(s) for upload with pattern: {path}, flags: 0x{hex}":                                                           9,
			"Warning: Unrecognized packageExtended attribute.":                                                                                  9,
			"Session: {n}_{n} initialized by client WindowsUpdateAgent.":                                                                        9,
			"Read out cached package applicability for package: Package_for_KB{n}~{hex}~amd64~~{f}.1.1, ApplicableState: {n}, CurrentState:{n}": 20,
			"{hex} Created NT transaction (seq {n}) result 0x{hex}, handle @0x{hex}":                                                            9,
			"WcpInitialize (wcp.dll version {f}.0.6) called (stack @0x{hex} @0x{hex})":                                                          9,
		},
		"daemon": {
			"({user}) CMD (run-parts {path})":                                 20,
			"session opened for user {user} by (uid=0)":                       9,
			"data_thread() got not answer from any [{word}] datasource":       20,
			"synchronized to {ip}, stratum {n}":                               9,
			"DHCPDISCOVER from {mac} via eth1: network A_net: no free leases": 9,
			"dhcpd: DHCPREQUEST for {ip} from {mac} via eth1":                 0,
			"Did not receive identification string from {ip}":                 9,
			"connection from {ip} () at Sat Jun 18 02:08:{n} 2005":            9,
			"ANONYMOUS FTP LOGIN FROM {ip},  (anonymous)":                     5,
			"Out of Memory: Killed process {n} ({word}).":                     12,
		},
		"logfmt": {
			"level=info msg=\"request completed\" method=GET path={path} status={n} duration={f}ms trace={hex}":                    30,
			"level=warn msg=\"slow query\" db={word} rows={n} duration={f}s":                                                       12,
			"level=error msg=\"cannot reach upstream\" upstream={host}:{n} err=\"dial tcp {ip}:{n}: connect: connection refused\"": 12,
		},
		"json": {
			`{"event":"order paid","order":"{uuid}","amount":{f},"customer":{n}}`: 20,
			`{"event":"order refused","order":"{uuid}","reason":"card declined"}`: 12,
		},
	} {
		t.Run(style, func(t *testing.T) { grouped(t, all) })
	}
}

// grouped mines the lines in a mixed order and compares the groups.
func grouped(t *testing.T, all kinds) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	type one struct{ kind, line string }
	var lines []one
	for _, kind := range slices.Sorted(maps.Keys(all)) { // the same lines each time
		for range all[kind] {
			lines = append(lines, one{kind, filled(r, kind)})
		}
	}
	r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	m := pattern.NewMiner()
	of := make([]*pattern.Template, len(lines))
	for i, l := range lines {
		of[i] = m.Add(l.line)
	}
	templates, owners := map[string]map[string]int{}, map[string]map[string]bool{}
	for i, l := range lines {
		text := of[i].Canonical().String()
		if templates[l.kind] == nil {
			templates[l.kind] = map[string]int{}
		}
		templates[l.kind][text]++
		if owners[text] == nil {
			owners[text] = map[string]bool{}
		}
		owners[text][l.kind] = true
	}
	for kind, texts := range templates {
		if len(texts) != 1 {
			t.Errorf("%s\n  became %d templates: %v", kind, len(texts), texts)
		}
	}
	for text, kinds := range owners {
		if len(kinds) != 1 {
			t.Errorf("%s\n  is of %d kinds: %v", text, len(kinds), kinds)
		}
	}
}

var (
	users = []string{"admin", "oracle", "test", "webmaster", "pgadmin", "guest", "fztu", "ubuntu", "deploy", "nagios"}
	names = []string{"mdns", "RILJ", "checkout", "kernel", "audiod", "launcher", "telephony", "netd", "stock", "mail"}
	hosts = []string{"proxy.cse.example.com", "mail-17.example.net", "ns.marry.example.org", "api.shop.example.com", "minint-fnanli5.example.com"}
)

// filled puts values into a kind of line.
func filled(r *rand.Rand, kind string) string {
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	hex := func(n int) string { return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())[:n] }
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(kind, "{")
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			b.WriteString(kind)
			return b.String()
		}
		b.WriteString(before)
		switch name {
		case "n":
			fmt.Fprint(&b, r.IntN(100_000))
		case "kb": // where there are many of them
			if r.IntN(2) == 0 {
				fmt.Fprintf(&b, " (%.2f KB)", r.Float64()*900)
			}
		case "f":
			fmt.Fprintf(&b, "%.2f", r.Float64()*900)
		case "ip":
			fmt.Fprintf(&b, "%d.%d.%d.%d", 1+r.IntN(250), r.IntN(256), r.IntN(256), r.IntN(256))
		case "mac":
			fmt.Fprintf(&b, "%02x:%02x:%02x:%02x:%02x:%02x", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256))
		case "hex":
			b.WriteString(hex(8))
		case "uuid":
			b.WriteString(hex(8) + "-" + hex(4) + "-" + hex(4) + "-" + hex(4) + "-" + hex(12))
		case "mmss":
			fmt.Fprintf(&b, "%02d:%02d", r.IntN(60), r.IntN(60))
		case "user":
			b.WriteString(pick(users))
		case "word":
			b.WriteString(pick(names))
		case "host":
			b.WriteString(pick(hosts))
		case "pkg":
			b.WriteString("com.example." + pick(names))
		case "class":
			b.WriteString(pick([]string{"Launcher", "Browser", "Speaker", "Committer", "Allocator", "Cleaner"}) + "Activity")
		case "path":
			fmt.Fprintf(&b, "/var/lib/%s/%s/%s", pick(names), hex(6), pick(names))
		case "bool":
			fmt.Fprint(&b, r.IntN(2) == 0)
		default: // a brace of the line itself
			b.WriteString("{")
			kind = rest
			continue
		}
		kind = after
	}
}
